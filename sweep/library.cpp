#include "sweep/library.hpp"

#include "sim/describe/input_file.hpp"
#include "sim/describe/twins.hpp"
#include "sim/describe/yaml.hpp"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <algorithm>

namespace sweep {
namespace {

constexpr std::size_t kMostPlatforms = 64;  // of a few megabytes each

template <class Value, class Make>
const Value& once(std::map<std::string, Value>& all, const std::string& name, const Make& make) {
    const auto found = all.find(name);
    return found != all.end() ? found->second : all.emplace(name, make()).first->second;
}

std::string bytes_of(const std::filesystem::path& file) {
    return sim::read_file(file, sim::kLargestFileMib << 20);
}

}  // namespace

std::string digest_of(const std::string& bytes) {
    std::string digest =
        boost::uuids::to_string(boost::uuids::name_generator_sha1{boost::uuids::ns::oid()}(bytes));
    std::erase(digest, '-');
    return digest;
}

const std::vector<sim::Model>& Library::networks(const std::string& name, bool with_twins) {
    const std::vector<sim::Model>& alone =
        once(alone_, name, [&] { return std::vector{sim::load_model(name, folders_.models)}; });
    return with_twins ? once(with_twins_, name, [&] { return sim::with_twins(alone.front()); })
                      : alone;
}

const sim::PlatformFile& Library::platform_file(const std::string& name) {
    return once(platform_files_, name, [&] { return sim::PlatformFile{name, folders_.platforms}; });
}

const sim::Platform& Library::platform(const std::string& name,
                                       const std::vector<std::string>& set) {
    std::pair<std::string, std::vector<std::string>> asked{name, set};
    const auto found = platforms_.find(asked);
    if (found != platforms_.end()) {
        return found->second;
    }
    if (platforms_.size() == kMostPlatforms) {
        platforms_.clear();
    }
    return platforms_.emplace(std::move(asked), platform_file(name).with(set)).first->second;
}

const std::string& Library::model_digest(const std::string& name) {
    return once(model_digests_, name, [&] {
        std::string bytes;
        for (const sim::Model& network : networks(name, true)) {
            bytes += bytes_of(network.path);
        }
        return digest_of(bytes);
    });
}

const std::string& Library::platform_digest(const std::string& name) {
    return once(
        platform_digests_, name, [&] { return digest_of(bytes_of(platform(name, {}).path)); });
}

}  // namespace sweep
