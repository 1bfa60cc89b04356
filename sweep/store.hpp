#pragma once

// Where a sweep's results are kept: one SQLite file, which other programs may read at any time.
// docs/sweep.md describes its tables. Start at `Store`.
//
// A transaction holds what came together; a program that ends loses only what it had not
// committed. One sweep writes a store at a time.

#include "sweep/finished.hpp"
#include "sweep/plan.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sweep {

// What a cell is known by: the question, and what the files of its model and platform say. A
// store's cells are of one key each.
std::string key_of(const Cell& cell, Library& library);

class Store {
public:
    // Makes the file where there is none. Throws InputError where it is no store, or another sweep
    // writes it, MachineError where the machine cannot.
    explicit Store(const std::filesystem::path& path);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // Nothing where the cell is not in it.
    std::optional<Finished> find(const std::string& key) const;
    // In place of what is there of this key. Seen by others after `commit`.
    void put(const std::string& key, const Cell& cell, const Finished& finished);
    void commit();
    // All cells of another store that this one has not, or not so well: a time limit was reached
    // there and is not here. Returns how many. Throws as the constructor.
    std::size_t join(const std::filesystem::path& other);

private:
    struct Database;
    std::unique_ptr<Database> database_;
};

// Is there nothing left to do with it, if it may take so long?
bool is_done(const Finished& finished, double time_limit_s);

}  // namespace sweep
