#pragma once

// What one frame of a mapping keeps every resource busy with, kept up as tasks are exchanged. There
// are no times here: a change costs what it touches, a few tensors and neighbours, however long the
// mapping is. Private to the searches; the local search for streams (balance.hpp) rests on it.
//
// Tasks stand in the problem's static order; `reordered` makes any order the static one.

#include "sim/compile/problem.hpp"
#include "sim/index.hpp"
#include "sim/run/evaluator.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace sim::internal {

class Loads {
public:
    explicit Loads(const Problem& problem);

    // Every task of the mapping fits the static order, in which they come.
    void assign(const Mapping& mapping);
    Mapping mapping() const;

    // Tasks for others that cover the same layers.
    void exchange(std::span<const int> gone, std::span<const int> come);
    void undo();  // the last exchange, once

    int covering(int layer) const { return covering_[at(layer)]; }  // the task
    // The one after or before the task that stands at this layer; -1: none.
    int after(int layer) const;
    int before(int layer) const;

    // As Plan numbers the resources. Without what loads configurations.
    std::span<const Ticks> loads() const { return loads_; }
    Ticks busiest() const;
    bool is_possible() const { return impossible_ == 0; }  // every copy and conversion is
    std::uint64_t hash() const { return hash_; }           // of the set of tasks

private:
    struct Reader {
        int first = 0, task = 0;
    };
    struct Before {
        std::vector<Ticks> loads;
        int impossible = 0;
        std::uint64_t hash = 0;
    };

    void put(int task, bool there);
    void add_work(int task, Ticks sign);
    void add_submission(int task, Ticks sign);
    void add_tensor(int tensor, Ticks sign);
    void add_conversion(int tensor, int device, int from, int to, Ticks sign);
    void bring(int tensor, int layout, int home, int memory, Ticks sign);
    void find_readers(int tensor);
    void touch(int task);
    int layout_of(int tensor, int maker) const;

    const Problem& problem_;
    std::vector<Bits> resources_of_;  // by task
    std::vector<std::vector<int>> layers_of_;
    std::vector<int> starting_;  // by layer: the task that stands there; -1
    std::vector<int> covering_;  // by layer
    std::vector<Ticks> loads_;
    int impossible_ = 0;
    std::uint64_t hash_ = 0;
    std::vector<int> gone_, come_;  // of the last exchange
    Before before_;
    std::vector<Reader> readers_;            // of the tensor at hand
    std::vector<char> is_there_;             // by place, of the tensor at hand
    std::vector<int> touched_;               // tensors that an exchange has to do with
    std::vector<int> successors_;            // layers at which a submission may begin or end
    std::vector<int> submitting_;            // the tasks there
    std::vector<std::uint32_t> touched_in_;  // by tensor: the exchange that touched it last
    std::uint32_t exchange_ = 0;
};

}  // namespace sim::internal
