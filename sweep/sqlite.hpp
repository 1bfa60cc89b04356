#pragma once

// SQLite's statements and connections as values, with its errors as exceptions. Private to the
// store.

#include <cstdint>
#include <memory>
#include <optional>
#include <sqlite3.h>
#include <string>
#include <utility>

namespace sweep::internal {

// Throws sim::MachineError with what the database says of its last call.
[[noreturn]] void give_up(sqlite3* database, const std::string& path);

// A statement, prepared once and used again.
class Statement {
public:
    Statement(sqlite3* database, std::string path, const char* sql)
        : database_{database}, path_{std::move(path)} {
        if (sqlite3_prepare_v3(
                database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) != SQLITE_OK) {
            give_up(database, path_);
        }
    }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    // Values for its question marks, from the first on.
    template <class... Values>
    Statement& with(const Values&... values) {
        sqlite3_reset(statement_);
        int place = 0;
        (bind(++place, values), ...);
        return *this;
    }
    // The next row; false after the last.
    bool step() {
        const int code = sqlite3_step(statement_);
        if (code != SQLITE_ROW && code != SQLITE_DONE) {
            sqlite3_reset(statement_);
            give_up(database_, path_);
        }
        if (code == SQLITE_DONE) {
            sqlite3_reset(statement_);
        }
        return code == SQLITE_ROW;
    }

    std::string text(int column) const {
        const unsigned char* const bytes = sqlite3_column_text(statement_, column);
        return bytes == nullptr ? std::string{} : reinterpret_cast<const char*>(bytes);
    }
    double number(int column) const { return sqlite3_column_double(statement_, column); }
    std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
    std::optional<double> maybe(int column) const {
        return sqlite3_column_type(statement_, column) == SQLITE_NULL
                   ? std::nullopt
                   : std::optional{number(column)};
    }

private:
    void expect(int code) {
        if (code != SQLITE_OK) {
            give_up(database_, path_);
        }
    }
    void bind(int place, const std::string& text) {
        expect(sqlite3_bind_text64(
            statement_, place, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    }
    void bind(int place, double number) { expect(sqlite3_bind_double(statement_, place, number)); }
    void bind(int place, std::int64_t number) {
        expect(sqlite3_bind_int64(statement_, place, number));
    }
    void bind(int place, const std::optional<double>& number) {
        expect(number ? sqlite3_bind_double(statement_, place, *number)
                      : sqlite3_bind_null(statement_, place));
    }

    sqlite3* database_;
    std::string path_;
    sqlite3_stmt* statement_ = nullptr;
};

struct Closed {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Connection = std::unique_ptr<sqlite3, Closed>;

void execute(sqlite3* database, const std::string& path, const char* sql);

// The number that a query of one number gives, 0 if it gives none.
int pragma(sqlite3* database, const std::string& path, const char* sql);

}  // namespace sweep::internal
