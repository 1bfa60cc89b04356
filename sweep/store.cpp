#include "sweep/store.hpp"

#include "sim/error.hpp"
#include "sweep/library.hpp"
#include "sweep/sqlite.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace sweep {

using namespace internal;

namespace {

// SQLite's mark of whose file it is (PRAGMA application_id): "hets".
constexpr int kApplication = 0x68657473, kSchema = 1;
constexpr int kPatienceMs = 10'000;
constexpr std::chrono::milliseconds kLook{100};
constexpr int kMostLooks = 20;

constexpr const char* kTables = R"sql(
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE cells (
    cell INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    platform TEXT NOT NULL,
    batch INTEGER NOT NULL,
    objective TEXT NOT NULL,
    search TEXT NOT NULL,
    constraints TEXT NOT NULL,
    what_if TEXT NOT NULL,
    status TEXT NOT NULL,
    message TEXT NOT NULL,
    value REAL,
    bound REAL,
    unit TEXT NOT NULL,
    nodes INTEGER NOT NULL,
    seconds REAL NOT NULL,
    time_limit_s REAL NOT NULL,
    worker TEXT NOT NULL,
    revision TEXT NOT NULL,
    question TEXT NOT NULL
);
CREATE TABLE points (
    cell INTEGER NOT NULL REFERENCES cells ON DELETE CASCADE,
    point INTEGER NOT NULL,
    latency_us REAL NOT NULL,
    energy_mj REAL,
    accuracy_percent REAL,
    images_per_second REAL,
    network TEXT NOT NULL,
    mapping TEXT NOT NULL,
    PRIMARY KEY (cell, point)
) WITHOUT ROWID;
CREATE TABLE edits (
    cell INTEGER NOT NULL REFERENCES cells ON DELETE CASCADE,
    path TEXT NOT NULL,
    number REAL NOT NULL,
    PRIMARY KEY (cell, path)
) WITHOUT ROWID;
)sql";

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
    throw sim::InputError{fmt::format("{}: expected a store of hetmap sweep, {}", path, what)};
}

// An open store, or with `makes` a file that becomes one.
Connection opened(const std::string& path, bool makes) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
        refuse(path, "this is no file");
    }
    if (!makes && !std::filesystem::exists(status)) {
        throw sim::InputError{fmt::format("{}: no such file", path)};
    }
    sqlite3* raw = nullptr;
    const int mode = makes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    const int code = sqlite3_open_v2(path.c_str(), &raw, mode, nullptr);
    Connection database{raw};
    if (code != SQLITE_OK) {
        throw sim::InputError{fmt::format(
            "{}: {}", path, raw != nullptr ? sqlite3_errmsg(raw) : sqlite3_errstr(code))};
    }
    sqlite3_busy_timeout(raw, kPatienceMs);
    const auto ask = [&](const char* sql) {
        const int found = sqlite3_exec(raw, sql, nullptr, nullptr, nullptr);
        if (found == SQLITE_NOTADB) {
            refuse(path, "this is no SQLite database");
        }
        if (found == SQLITE_READONLY || found == SQLITE_CANTOPEN || found == SQLITE_PERM) {
            throw sim::InputError{fmt::format("{}: {}", path, sqlite3_errmsg(raw))};
        }
        if (found != SQLITE_OK) {
            give_up(raw, path);
        }
    };
    ask("PRAGMA schema_version");
    const bool is_empty = pragma(raw, path, "SELECT count(*) FROM sqlite_schema") == 0;
    if (is_empty && makes) {
        // Others see a whole store or none; another may have made it meanwhile.
        ask("BEGIN IMMEDIATE");
        if (pragma(raw, path, "SELECT count(*) FROM sqlite_schema") == 0) {
            execute(raw, path, fmt::format("PRAGMA application_id = {}", kApplication).c_str());
            execute(raw, path, fmt::format("PRAGMA user_version = {}", kSchema).c_str());
            execute(raw, path, kTables);
        }
        execute(raw, path, "COMMIT");
    }
    if (pragma(raw, path, "PRAGMA application_id") != kApplication) {
        refuse(path, "this is another database");
    }
    if (const int schema = pragma(raw, path, "PRAGMA user_version"); schema != kSchema) {
        refuse(path, fmt::format("of version {}, this is of version {}", kSchema, schema));
    }
    return database;
}

std::string host_name() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? std::string{name.data()} : "unknown";
}

// Of who writes a store, "host process": 0 unless that process lives, here, and is not this one.
pid_t process_of(const std::string& writer, const std::string& host) {
    const std::size_t gap = writer.rfind(' ');
    const pid_t process = gap == std::string::npos ? 0 : std::atoi(writer.c_str() + gap);
    const bool lives = process > 0 && process != getpid() && writer.substr(0, gap) == host &&
                       (kill(process, 0) == 0 || errno == EPERM);
    return lives ? process : 0;
}

constexpr const char* kFindCell =
    "SELECT cell, status, message, value, bound, unit, nodes, seconds, time_limit_s, worker, "
    "revision FROM cells WHERE key = ?";
constexpr const char* kFindPoints =
    "SELECT latency_us, energy_mj, accuracy_percent, images_per_second, network, mapping "
    "FROM points WHERE cell = ? ORDER BY point";

std::optional<Finished> found_by(Statement& cells, Statement& points, const std::string& key) {
    if (!cells.with(key).step()) {
        return std::nullopt;
    }
    Finished finished;
    const std::int64_t cell = cells.integer(0);
    finished.status = status_named(cells.text(1)).value_or(Status::failed);
    finished.message = cells.text(2);
    finished.value = cells.maybe(3);
    finished.bound = cells.maybe(4);
    finished.unit = cells.text(5);
    finished.nodes = static_cast<std::uint64_t>(cells.integer(6));
    finished.seconds = cells.number(7);
    finished.time_limit_s = cells.number(8);
    finished.worker = cells.text(9);
    finished.revision = cells.text(10);
    cells.with(key);  // the row is read: no lock is kept
    points.with(cell);
    while (points.step()) {
        finished.points.push_back({.latency_us = points.number(0),
                                   .energy_mj = points.maybe(1),
                                   .accuracy_percent = points.maybe(2),
                                   .images_per_second = points.maybe(3),
                                   .network = points.text(4),
                                   .mapping = points.text(5)});
    }
    return finished;
}

}  // namespace

struct Store::Database {
    explicit Database(const std::string& file) : path{file}, connection{opened(file, true)} {
        sqlite3* const raw = connection.get();
        // A commit waits for no disk: what a machine that loses power forgets is done again.
        execute(raw, path, "PRAGMA journal_mode = WAL");
        execute(raw, path, "PRAGMA synchronous = NORMAL");
        execute(raw, path, "PRAGMA foreign_keys = ON");
    }

    Statement& prepared(std::optional<Statement>& statement, const char* sql) {
        return statement ? *statement : statement.emplace(connection.get(), path, sql);
    }
    void begin() {
        if (!is_open) {
            execute(connection.get(), path, "BEGIN IMMEDIATE");
            is_open = true;
        }
    }

    std::string path;
    Connection connection;
    bool is_open = false;    // a transaction
    bool is_writer = false;  // said so in the store
    std::optional<Statement> find_cell, find_points, drop, add_cell, add_point, add_edit;
};

Store::Store(const std::filesystem::path& path)
    : database_{std::make_unique<Database>(path.string())} {
    // One sweep at a time: two would do the same cells. One that is just ending is waited for.
    Database& database = *database_;
    sqlite3* const raw = database.connection.get();
    const std::string host = host_name();
    Statement writer{raw, database.path, "SELECT value FROM about WHERE name = 'writer'"};
    for (int looks = 0;; ++looks) {
        database.begin();
        const pid_t process = writer.with().step() ? process_of(writer.text(0), host) : 0;
        if (process == 0) {
            break;
        }
        writer.with();
        commit();
        if (looks == kMostLooks) {
            throw sim::InputError{fmt::format("{}: another sweep writes it now (process {} on {})",
                                              path.string(),
                                              process,
                                              host)};
        }
        std::this_thread::sleep_for(kLook);
    }
    writer.with();
    Statement{raw, database.path, "INSERT OR REPLACE INTO about VALUES ('writer', ?)"}
        .with(fmt::format("{} {}", host, getpid()))
        .step();
    database.is_writer = true;
    commit();
}

Store::~Store() {
    try {
        Database& database = *database_;
        if (database.is_open) {
            execute(database.connection.get(), database.path, "ROLLBACK");
        }
        if (database.is_writer) {
            execute(database.connection.get(),
                    database.path,
                    "DELETE FROM about WHERE name = 'writer'");
        }
        database.find_cell.reset();
        database.find_points.reset();
        // One file again, that can be copied.
        execute(database.connection.get(), database.path, "PRAGMA journal_mode = DELETE");
    } catch (const sim::MachineError&) {
        // A reader keeps it as it is; all that was committed is there.
    }
}

std::optional<Finished> Store::find(const std::string& key) const {
    Database& database = *database_;
    return found_by(database.prepared(database.find_cell, kFindCell),
                    database.prepared(database.find_points, kFindPoints),
                    key);
}

void Store::put(const std::string& key, const Cell& cell, const Finished& finished) {
    Database& database = *database_;
    database.begin();
    database.prepared(database.drop, "DELETE FROM cells WHERE key = ?").with(key).step();
    const nlohmann::ordered_json edits = edits_json(cell);
    database
        .prepared(database.add_cell,
                  "INSERT INTO cells (key, model, platform, batch, objective, search, constraints, "
                  "what_if, status, message, value, bound, unit, nodes, seconds, time_limit_s, "
                  "worker, revision, question) "
                  "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
        .with(key,
              cell.model,
              cell.platform,
              std::int64_t{cell.batch},
              objective_text(cell),
              cell.search,
              cell.constraints.name,
              edits.dump(),
              std::string{name_of(finished.status)},
              finished.message,
              finished.value,
              finished.bound,
              finished.unit,
              static_cast<std::int64_t>(finished.nodes),
              finished.seconds,
              finished.time_limit_s,
              finished.worker,
              finished.revision,
              to_json(cell).dump())
        .step();
    const std::int64_t row = sqlite3_last_insert_rowid(database.connection.get());
    for (std::size_t i = 0; i < finished.points.size(); ++i) {
        const Point& point = finished.points[i];
        database.prepared(database.add_point, "INSERT INTO points VALUES (?,?,?,?,?,?,?,?)")
            .with(row,
                  static_cast<std::int64_t>(i + 1),
                  point.latency_us,
                  point.energy_mj,
                  point.accuracy_percent,
                  point.images_per_second,
                  point.network,
                  point.mapping)
            .step();
    }
    for (const auto& [path, number] : edits.items()) {
        database.prepared(database.add_edit, "INSERT OR REPLACE INTO edits VALUES (?,?,?)")
            .with(row, path, number.get<double>())
            .step();
    }
}

void Store::commit() {
    Database& database = *database_;
    if (database.is_open) {
        execute(database.connection.get(), database.path, "COMMIT");
        database.is_open = false;
    }
}

std::size_t Store::join(const std::filesystem::path& other) {
    const std::string path = other.string();
    std::error_code error;
    if (std::filesystem::equivalent(other, database_->path, error)) {
        throw sim::InputError{fmt::format("{}: a store is not joined to itself", path)};
    }
    const Connection connection = opened(path, false);
    Statement cells{connection.get(), path, kFindCell};
    Statement points{connection.get(), path, kFindPoints};
    Statement all{connection.get(), path, "SELECT key, question FROM cells ORDER BY cell"};
    std::size_t joined = 0;
    all.with();
    while (all.step()) {
        const std::string key = all.text(0);
        const Finished theirs = *found_by(cells, points, key);
        const std::optional<Finished> ours = find(key);
        const bool is_better =
            ours && theirs.status != Status::failed && ours->status != Status::proven &&
            (!is_done(*ours, theirs.time_limit_s) || (theirs.status == Status::proven));
        if (!ours || is_better) {
            const auto question = nlohmann::json::parse(all.text(1), nullptr, false);
            try {
                put(key, cell_of(question), theirs);
            } catch (const nlohmann::json::exception&) {
                refuse(path, "cell " + key + " has no question");
            }
            ++joined;
        }
    }
    commit();
    return joined;
}

std::string key_of(const Cell& cell, Library& library) {
    nlohmann::json question = to_json(cell);
    question["model_digest"] = library.model_digest(cell.model);
    question["platform_digest"] = library.platform_digest(cell.platform);
    question["constraints"].erase("name");
    return digest_of(question.dump());
}

bool is_done(const Finished& finished, double time_limit_s) {
    return finished.status == Status::proven || finished.status == Status::refused ||
           (finished.status == Status::unproven && finished.time_limit_s >= time_limit_s);
}

}  // namespace sweep
