#include "cluster/ranks.hpp"

#include "cluster/patience.hpp"
#include "cluster/transport.hpp"
#include "sim/error.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <unistd.h>
#include <utility>

namespace cluster {
namespace {

constexpr std::size_t kLargestMessage = std::numeric_limits<int>::max();  // MPI counts in int
// How long an error waits for others to end as well.
constexpr double kGrace = 1;

}  // namespace

int Ranks::rank() const { return transport_.rank; }

int Ranks::count() const { return transport_.count; }

std::string_view Ranks::name() const { return transport_.name; }

void Ranks::send(int to, std::string_view bytes) {
    if (bytes.size() > kLargestMessage) {
        throw sim::MachineError("a message to another rank is larger than 2 GiB");
    }
    transport_.send(transport_.self, to, bytes.data(), bytes.size());
}

std::optional<Message> Ranks::receive(double seconds) {
    Message message;
    for (Patience patience;; patience.wait()) {
        const std::int64_t size = transport_.waiting(transport_.self, &message.from);
        if (size >= 0) {
            message.bytes.resize(static_cast<std::size_t>(size));
            transport_.take(
                transport_.self, message.from, message.bytes.data(), message.bytes.size());
            return message;
        }
        if (patience.seconds() >= seconds) {
            return std::nullopt;
        }
    }
}

std::vector<std::string> Ranks::exchange(std::vector<std::string> to_each) {
    const auto ranks = static_cast<std::size_t>(count());
    to_each.resize(ranks);
    std::vector<const char*> sent(ranks);
    std::vector<char*> received(ranks);
    std::vector<std::int64_t> sent_sizes(ranks), received_sizes(ranks);
    for (std::size_t i = 0; i < ranks; ++i) {
        sent[i] = to_each[i].data();
        sent_sizes[i] = static_cast<std::int64_t>(to_each[i].size());
    }
    transport_.exchange_numbers(transport_.self, sent_sizes.data(), received_sizes.data());
    std::vector<std::string> from_each(ranks);
    for (std::size_t i = 0; i < ranks; ++i) {
        if (static_cast<int>(i) == rank()) {
            continue;
        }
        from_each[i].resize(static_cast<std::size_t>(received_sizes[i]));
        received[i] = from_each[i].data();
    }
    transport_.exchange(
        transport_.self, sent.data(), sent_sizes.data(), received.data(), received_sizes.data());
    const auto own = static_cast<std::size_t>(rank());
    from_each[own] = std::move(to_each[own]);
    return from_each;
}

std::int64_t Ranks::combine(int how, std::int64_t value) {
    transport_.combine(transport_.self, static_cast<HetmapCombination>(how), &value, 1);
    return value;
}

std::int64_t Ranks::least(std::int64_t value) { return combine(kHetmapLeast, value); }

std::int64_t Ranks::most(std::int64_t value) { return combine(kHetmapMost, value); }

std::int64_t Ranks::sum(std::int64_t value) { return combine(kHetmapSum, value); }

std::vector<std::int64_t> Ranks::sum(std::vector<std::int64_t> values) {
    transport_.combine(transport_.self, kHetmapSum, values.data(), values.size());
    return values;
}

int Ranks::count_on_this_machine() {
    char name[256] = {};
    gethostname(name, sizeof name - 1);
    const std::vector<std::string> names =
        exchange(std::vector<std::string>(static_cast<std::size_t>(count()), name));
    return static_cast<int>(std::ranges::count(names, std::string(name)));
}

std::string Ranks::broadcast(std::string bytes, int from) {
    const std::int64_t size = most(rank() == from ? static_cast<std::int64_t>(bytes.size()) : 0);
    bytes.resize(static_cast<std::size_t>(size));
    transport_.broadcast(transport_.self, bytes.data(), bytes.size(), from);
    return bytes;
}

std::vector<int> Ranks::end(int code) {
    std::vector<std::int64_t> codes(static_cast<std::size_t>(count()));
    if (transport_.end(transport_.self, code, code == 0 ? -1 : kGrace, codes.data()) == 0) {
        return {};
    }
    return {codes.begin(), codes.end()};
}

void Ranks::abort(int code) {
    transport_.abort(transport_.self, code);
    std::abort();  // not reached
}

}  // namespace cluster
