// Results read back: `hetmap show result`.

#include "sim/report/result_file.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

TEST_CASE("a result is shown as a table, or as JSON again") {
    const TemporaryFolder folder;
    const std::string path = folder.write(
        "r.json",
        R"({"model": "m", "batch": 2, "set": ["a=1"], "layers": [{"name": "c", "start_us": 1.5}]})");
    CHECK(sim::result_text(path, false) ==
          "model                  m\n"
          "batch                  2\n"
          "set                    [\"a=1\"]\n"
          "\n"
          "c              1.50           \n");
    CHECK(sim::result_text(path, true).starts_with("{\n  \"model\": \"m\",\n"));
}

TEST_CASE("what is no result is refused in words, however deep, wide or long it is") {
    const TemporaryFolder folder;
    const auto error_of = [&](const std::string& text) {
        const std::string path = folder.write("r.json", text);
        return folder.error_of([&] { sim::result_text(path, false); });
    };
    const std::string deep(100'000, '['), end(100'000, ']');
    CHECK(error_of(R"({"model": "m", "layers": [{"name": )" + deep + end + "}]}") ==
          "r.json: not a result: it is nested deeper than 32 levels");
    std::string keys = R"({"model": "m", "layers": [)";
    std::string object = "{";
    for (int i = 0; i <= 1000; ++i) {
        object += (i == 0 ? "\"" : ", \"") + std::to_string(i) + "\": 1";
    }
    CHECK(error_of(keys + object + "}]}") ==
          "r.json: not a result: an object of more than 1000 keys");
    CHECK(error_of(R"({"model": "m\u001b[2J", "layers": []})") ==
          "r.json: not a result: a text has the control character 0x1b");
    CHECK(error_of(R"({"model": "m"})") ==
          "r.json: not a result: expected the JSON of hetmap map, simulate or validate");
    CHECK(error_of("[]").ends_with("expected the JSON of hetmap map, simulate or validate"));
    CHECK(error_of("").starts_with("r.json: not a result: "));
    CHECK(error_of(R"({"model": 1e999, "layers": []})").starts_with("r.json: not a result: "));
    CHECK(folder.error_of([&] { sim::result_text(folder.path(), false); })
              .ends_with("expected a file, this is a folder"));
}
