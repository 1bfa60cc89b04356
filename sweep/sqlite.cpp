#include "sweep/sqlite.hpp"

#include "sim/error.hpp"

#include <fmt/format.h>

namespace sweep::internal {

void give_up(sqlite3* database, const std::string& path) {
    throw sim::MachineError{
        fmt::format("{}: {}", path, database != nullptr ? sqlite3_errmsg(database) : "no memory")};
}

void execute(sqlite3* database, const std::string& path, const char* sql) {
    if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        give_up(database, path);
    }
}

int pragma(sqlite3* database, const std::string& path, const char* sql) {
    Statement statement{database, path, sql};
    return statement.with().step() ? static_cast<int>(statement.integer(0)) : 0;
}

}  // namespace sweep::internal
