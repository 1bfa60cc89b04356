#pragma once

// The least energy that the layers to come add, with the copies between them: what each takes by
// itself at its cheapest is too little where neighbours are cheap on different devices. Private to
// the searches. Start at `Tails::least`.
//
// Where a layer lies on every way from the input to the output, it cuts the model: what is before
// and after it have only its tensor in common. Between two cuts the layers are laid out as paths of
// layers that read each other, each layer on one of them; copies along a path count, and to where
// the cuts are, those between paths do not. So no copy counts twice, and with the devices of both
// cuts given, paths are independent of each other: dynamic programming from the end.
//
// While the platform is at rest it draws power. Of the time from one cut to the next, no less
// passes than a weighted mix of what resources work in between, nor than one path takes: for each
// module of its own, what says the most counts.

#include "sim/compile/problem.hpp"
#include "sim/index.hpp"
#include "sim/run/evaluator.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace sim::internal {

class Tails {
public:
    // Every layer's result is read by some other, but for the last. Energies are known.
    explicit Tails(const Problem& problem);

    // False where there are too many devices or paths beside each other: then nothing else is
    // asked.
    bool is_useful() const { return is_useful_; }

    // What a task adds, in femtojoules, with no time at rest: table 0. To be called once, first.
    void add_energies(const std::vector<std::int64_t>& of_task);
    // With the time at rest, as a mix of resources weighs it. Returns the table's number.
    int add_mix(const std::vector<std::int64_t>& of_task);
    // When all are added.
    void finish();

    // What a state has before it, for any table.
    struct Front {
        static constexpr int kMostPaths = 16, kMostDevices = 8;

        int module = 0;
        std::array<int, kMostPaths> layer{};  // the first that is not covered; -1: none
        // By path and device: of bringing the layer's input there; where none is left, of bringing
        // the path's result to the cut.
        std::array<std::array<double, kMostDevices>, kMostPaths> way{};
        std::array<double, kMostDevices> direct{};  // from cut to cut
    };

    // `layer`: the first that is not covered; `ahead`: later ones that may be. False if they are
    // covered in a way that the paths do not tell.
    bool find(const Evaluator& placed, int layer, std::span<const int> ahead, Front& front) const;

    // No completion adds less; of a mix, beside what its resources have done already.
    std::int64_t least(int table, const Front& front) const;

private:
    struct Path {
        std::vector<int> layers;
        bool from_cut = false, to_cut = false;  // reads the cut before, is read by the one after
    };
    struct Module {
        int from = 0, to = 0;  // cuts
        std::vector<Path> paths;
        bool is_direct = false;  // `to` reads `from`
    };
    struct Table {
        std::vector<double> own;   // [layer * devices + device]
        std::vector<double> tail;  // [(layer * devices + device) * devices + of the cut after]
        std::vector<double> rest;  // [module * devices + of the cut before]: all after that cut
    };
    // What takes time between two cuts: nothing, the way from cut to cut, or a path by its number.
    static constexpr int kNoTime = -2, kDirect = -1;

    void find_modules();
    void find_paths(Module& module);
    void find_ways();
    // Of a tensor from one device to another.
    double way(int tensor, int from, int to) const { return ways_[pair(tensor, from, to)]; }
    double delay(int tensor, int from, int to) const { return delays_[pair(tensor, from, to)]; }
    double bring(const Evaluator& placed, int tensor, int device) const;
    int memory(int device) const { return problem_.devices[at(device)].memory; }
    std::size_t place(int layer, int device) const { return at(layer) * at(devices_) + at(device); }
    std::size_t pair(int layer, int device, int other) const {
        return place(layer, device) * at(devices_) + at(other);
    }
    std::vector<double> own_of(const std::vector<double>& of_task) const;
    int add(const std::vector<std::int64_t>& of_task);
    void fill_tails(const Path& path,
                    const std::vector<double>& own,
                    bool takes_time,
                    std::vector<double>& tail) const;
    double least_between(const std::vector<double>& tail,
                         const Module& module,
                         int before,
                         int after,
                         int timed) const;
    void raise_by_paths(int module, std::vector<double>& between);
    void find_rest(int module, const std::vector<double>& between, std::vector<double>& rest) const;

    const Problem& problem_;
    const int devices_;
    const double at_rest_;  // femtojoules a picosecond
    bool is_useful_ = false;
    std::vector<Module> modules_;
    std::vector<int> module_of_;          // by layer: from which it is, or whose `to` it is
    std::vector<int> path_of_, step_of_;  // by layer: -1 for cuts
    std::vector<double> ways_, delays_;   // femtojoules; femtojoules at rest meanwhile
    std::vector<double> timed_own_;       // as Table::own, with the time at rest of the task itself
    std::vector<Table> tables_;
};

}  // namespace sim::internal
