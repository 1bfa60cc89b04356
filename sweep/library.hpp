#pragma once

// The models and platforms of a sweep, each loaded once.

#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"
#include "sim/describe/platform_file.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sweep {

// Where names are looked for; see sim::load_model and sim::load_platform.
struct Folders {
    std::vector<std::filesystem::path> models, platforms;
};

class Library {
public:
    explicit Library(Folders folders) : folders_{std::move(folders)} {}

    // Throw InputError where there is none, or it is wrong.
    // The model, or with its twins, itself first.
    const std::vector<sim::Model>& networks(const std::string& name, bool with_twins);
    // With numbers of its file set. Good until another is asked for.
    const sim::Platform& platform(const std::string& name, const std::vector<std::string>& set);

    // Of their files (a model's with those of its twins): other where these have changed.
    const std::string& model_digest(const std::string& name);
    const std::string& platform_digest(const std::string& name);

    std::vector<std::string> model_names() const { return sim::model_names(folders_.models); }
    std::vector<std::string> platform_names() const {
        return sim::platform_names(folders_.platforms);
    }

private:
    const sim::PlatformFile& platform_file(const std::string& name);

    Folders folders_;
    std::map<std::string, std::vector<sim::Model>> alone_, with_twins_;
    std::map<std::string, sim::PlatformFile> platform_files_;
    std::map<std::string, std::string> model_digests_, platform_digests_;
    std::map<std::pair<std::string, std::vector<std::string>>, sim::Platform> platforms_;
};

// 32 hexadecimal digits: RFC 4122's name-based UUID (SHA-1) of any bytes, without dashes.
std::string digest_of(const std::string& bytes);

}  // namespace sweep
