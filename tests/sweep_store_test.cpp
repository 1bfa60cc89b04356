// What a store keeps, and how it says that something is wrong.

#include "sweep/store.hpp"
#include "tests/sweep_plans.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <iterator>
#include <sys/wait.h>
#include <unistd.h>

namespace {

sweep::Finished proven(double value) {
    sweep::Finished finished;
    finished.status = sweep::Status::proven;
    finished.value = value;
    finished.bound = value;
    finished.unit = "us";
    finished.nodes = 12;
    finished.seconds = 0.25;
    finished.time_limit_s = 60;
    finished.worker = "process 1";
    finished.revision = "abc";
    finished.points = {{.latency_us = value,
                        .energy_mj = 0.5,
                        .accuracy_percent = std::nullopt,
                        .images_per_second = 1e6,
                        .network = "small",
                        .mapping = "hetmap: mapping/1\n"}};
    return finished;
}

sweep::Cell cell_of_batch(int batch) {
    return {
        .model = "small", .platform = "board", .batch = batch, .what_if = {"devices.gpu.speed=2"}};
}

// Runs in a process of its own, which dies of `signal` then.
void in_a_process_that_dies(const std::function<void()>& function) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        function();
        raise(SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
}

}  // namespace

TEST_CASE("what is put into a store is found there, also by the next who opens it") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.db");
    sweep::Finished unproven = proven(3);
    unproven.status = sweep::Status::unproven;
    unproven.bound = 2.5;
    unproven.points.push_back(unproven.points.front());
    unproven.points.back().mapping = "another";
    sweep::Finished refused;
    refused.status = sweep::Status::refused;
    refused.message = "it doesn't fit: \"x\"\n";
    {
        sweep::Store store{path};
        CHECK(!store.find("k1"));
        store.put("k1", cell_of_batch(1), proven(7));
        store.put("k2", cell_of_batch(2), unproven);
        store.put("k3", cell_of_batch(3), refused);
        store.put("k1", cell_of_batch(1), proven(8));  // in its place
        CHECK(store.find("k1") == proven(8));
        store.commit();
    }
    CHECK(!std::filesystem::exists(path + "-wal"));  // one file again
    sweep::Store store{path};
    CHECK(store.find("k1") == proven(8));
    CHECK(store.find("k2") == unproven);
    CHECK(store.find("k3") == refused);
}

TEST_CASE("a process that is killed loses what it had not committed, and nothing else") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.db");
    in_a_process_that_dies([&] {
        sweep::Store store{path};
        store.put("k1", cell_of_batch(1), proven(7));
        store.commit();
        store.put("k2", cell_of_batch(2), proven(7));
    });
    sweep::Store store{path};  // and it is not taken for one that is written
    CHECK(store.find("k1") == proven(7));
    CHECK(!store.find("k2"));
}

TEST_CASE("two sweeps do not write one store at a time") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.db");
    int gate[2];
    REQUIRE(pipe(gate) == 0);
    const pid_t other = fork();
    REQUIRE(other >= 0);
    if (other == 0) {
        const sweep::Store store{path};
        [[maybe_unused]] const auto told = write(gate[1], "x", 1);
        pause();
        _exit(0);
    }
    char one = 0;
    REQUIRE(read(gate[0], &one, 1) == 1);
    const std::string error = folder.error_of([&] { const sweep::Store store{path}; });
    kill(other, SIGKILL);
    waitpid(other, nullptr, 0);
    CHECK(error.find("s.db: another sweep writes it now (process " + std::to_string(other)) == 0);
    CHECK(folder.error_of([&] { const sweep::Store store{path}; }) == "no error");
}

TEST_CASE("what is no store is left as it is") {
    const TemporaryFolder folder;
    const auto error = [&](const std::string& path) {
        return folder.error_of([&] { const sweep::Store store{path}; });
    };
    const std::string text = folder.write("notes.txt", std::string(5000, 'x'));
    CHECK(error(text) == "notes.txt: expected a store of hetmap sweep, this is no SQLite database");
    CHECK(std::filesystem::file_size(text) == 5000);
    CHECK(error(folder.path().string()).find("this is no file") != std::string::npos);
    CHECK(error(folder.file("none/s.db")).find("none/s.db: ") == 0);
    sweep::Store store{folder.file("s.db")};
    CHECK(folder.error_of([&] { store.join(folder.file("other.db")); }) ==
          "other.db: no such file");
    CHECK(folder.error_of([&] { store.join(folder.file("s.db")); }) ==
          "s.db: a store is not joined to itself");
    CHECK(folder.error_of([&] { store.join(text); }).find("no SQLite database") !=
          std::string::npos);
}

TEST_CASE("a store takes over what another has, unless its own is as good") {
    const TemporaryFolder folder;
    sweep::Finished failed;
    failed.message = "died";
    sweep::Finished unproven = proven(9);
    unproven.status = sweep::Status::unproven;
    unproven.time_limit_s = 10;
    sweep::Finished longer = unproven;
    longer.time_limit_s = 600;
    {
        sweep::Store store{folder.file("other.db")};
        store.put("k1", cell_of_batch(1), proven(7));
        store.put("k2", cell_of_batch(2), proven(7));
        store.put("k3", cell_of_batch(3), failed);
        store.put("k4", cell_of_batch(4), proven(7));
        store.put("k5", cell_of_batch(5), proven(7));
        store.commit();
    }
    sweep::Store store{folder.file("s.db")};
    store.put("k2", cell_of_batch(2), proven(6));
    store.put("k3", cell_of_batch(3), unproven);
    store.put("k4", cell_of_batch(4), unproven);
    store.put("k5", cell_of_batch(5), longer);
    CHECK(store.join(folder.file("other.db")) == 3);
    CHECK(store.find("k1") == proven(7));
    CHECK(store.find("k2") == proven(6));
    CHECK(store.find("k3") == unproven);
    CHECK(store.find("k4") == proven(7));
    CHECK(store.find("k5") == proven(7));  // a proof is better, however short its time
    CHECK(store.join(folder.file("other.db")) == 0);
}

TEST_CASE("a longer time limit is worth another try, where one was reached") {
    sweep::Finished unproven = proven(9);
    unproven.status = sweep::Status::unproven;
    CHECK(sweep::is_done(unproven, 60));
    CHECK(!sweep::is_done(unproven, 61));
    CHECK(sweep::is_done(proven(9), 61));
    sweep::Finished refused;
    refused.status = sweep::Status::refused;
    CHECK(sweep::is_done(refused, 61));
    CHECK(!sweep::is_done(sweep::Finished{}, 1));
}

TEST_CASE("a cell's key is the question, and what its files say") {
    const SweepFolder sweeps;
    const auto key = [&](const sweep::Cell& cell) {
        sweep::Library library = sweeps.library();
        return sweep::key_of(cell, library);
    };
    const std::string before = key(cell_of_batch(1));
    CHECK(before.size() == 32);
    CHECK(key(cell_of_batch(1)) == before);
    CHECK(key(cell_of_batch(2)) != before);
    sweep::Cell named = cell_of_batch(1);
    named.constraints.name = "as it is";  // a name asks nothing
    CHECK(key(named) == before);
    named.constraints.max = {"latency=1ms"};
    CHECK(key(named) != before);
    std::ofstream{sweeps.folder.file("platforms/server.yaml"), std::ios::app} << "# other\n";
    CHECK(key(cell_of_batch(1)) == before);
    std::ofstream{sweeps.folder.file("platforms/board.yaml"), std::ios::app} << "# other\n";
    CHECK(key(cell_of_batch(1)) != before);
}
