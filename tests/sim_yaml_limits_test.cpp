// What a file may be before it is parsed: brackets and levels are counted on the bytes.

#include "sim/describe/model.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/describe/yaml_limits.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

std::string repeated(const std::string& text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) {
        all += text;
    }
    return all;
}

// "no error", or what is refused of a file "f".
std::string refusal(const std::string& text) {
    try {
        sim::expect_yaml_limits(text, "f");
    } catch (const sim::InputError& error) {
        return error.what();
    }
    return "no error";
}

const std::string kDeep = "nested deeper than 16 levels";

std::string chain_of(int layers, bool in_brackets) {
    const std::string head = in_brackets ? "{hetmap: model/1, name: d, input: {name: i, height: 1, "
                                           "width: 1, channels: 1, type: f32}, parameters: {seed: "
                                           "1}, layers: ["
                                         : "hetmap: model/1\nname: d\ninput: {name: i, height: 1, "
                                           "width: 1, channels: 1, type: f32}\nparameters: {seed: "
                                           "1}\nlayers:\n";
    std::string text = head, before = "i";
    for (int k = 0; k < layers; ++k) {
        const std::string name = "f" + std::to_string(k);
        const std::string layer =
            "{name: " + name + ", operation: flatten, inputs: [" + before + "]}";
        text += in_brackets ? layer + ",\n" : "  - " + layer + "\n";
        before = name;
    }
    return text + (in_brackets ? "], output: " + before + "}\n" : "output: " + before + "\n");
}

}  // namespace

TEST_CASE("brackets that are never closed are refused at the 17th, before they are parsed") {
    CHECK(refusal(repeated("[", 16)) == "no error");
    CHECK(refusal(repeated("[", 17)) == "f:1:17: " + kDeep);
    CHECK(refusal("a:\n  " + repeated("{", 17)) == "f:2:18: " + kDeep);
    const TemporaryFolder folder;
    const std::string path =
        folder.write("m.yaml", "hetmap: model/1\nname: x\nlayers: " + repeated("[", 9'000'000));
    CHECK(folder.error_of([&] { sim::load_model(path, {}); }) == "m.yaml:3:24: " + kDeep);
}

TEST_CASE("levels without brackets count as well: dashes, and keys that go further in") {
    CHECK(refusal(repeated("- ", 16) + "a") == "no error");
    CHECK(refusal(repeated("- ", 17) + "a") == "f:1:33: " + kDeep);
    std::string keys;
    for (int i = 0; i < 17; ++i) {
        keys += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
    }
    CHECK(refusal(keys) == "f:17:17: " + kDeep);
    CHECK(refusal(repeated("- ", 10) + repeated("[", 7)) == "f:1:27: " + kDeep);
    // Beside each other they are no levels.
    CHECK(refusal(repeated("- a: [[1]]\n  b: {c: [2]}\n", 100)) == "no error");
    CHECK(refusal(repeated("a:\n- b\n- c\n", 100)) == "no error");
}

TEST_CASE("brackets that are text are not counted") {
    const std::string many = repeated("[{", 100);
    for (const std::string& text : {
             "# " + many + "\na: 1 # " + many + "\n",
             "a: \"" + many + "\\\"" + many + "\n" + many + "\"\n",
             "a: 'it''s " + many + "\n\n" + many + "'\nb: [1]\n",
             "a: plain " + many + "\n  more " + many + "\n\n  " + many + "\n",
             "a: |\n  " + many + "\n\n    " + many + "\n  # " + many + "\nb: 1\n",
             "a: >-\n\n     " + many + "\n     " + many + "\nb: 1\n",
             "- a: |2\n     " + many + "\n    " + many + "\n  b: 1\n",
             "- - |\n   " + many + "\n  - b\n",
             "a:\tx " + many + "\n\t" + many + "\n",
             "\xEF\xBB\xBF"
             "a: x\n " +
                 many + "\n",
             "a: x\r\n  " + many + "\r\nb: 1\r\n",
             "a: http://" + many + "\n",
             "? x " + many + "\n: y " + many + "\n",
         }) {
        CAPTURE(text);
        CHECK(refusal(text) == "no error");
    }
}

TEST_CASE("brackets behind what only looks like text are counted") {
    const std::string many = repeated("[", 17);
    for (const std::string& text : {
             "a: x\n" + many,  // not further in than the key
             "- x\n" + many,
             "? x\n" + many,
             "a: 'x' " + many,
             "a: \"\\\\\" " + many,
             "a: |\n  x\n " + many,  // not as far in as the text's first line
             "a: x #\n  " + many,    // a comment ends a text
             "a: x\n# y\n  " + many,
             "a: [x" + many,  // between brackets everything is counted
             "a: [x\n" + many,
             "a: [\"x\": " + many,
             "{a: '" + repeated("]", 5) + "', b: " + repeated("[", 16),
             "!<x]> " + many,
             "--- x\n--- " + many,
         }) {
        CAPTURE(text);
        CHECK(refusal(text).ends_with(kDeep));
    }
}

TEST_CASE("words between two brackets are bounded: the parser would keep them all") {
    CHECK(refusal("a: [" + repeated("x,", 4'100'000))
              .ends_with("more than 8000000 words and signs between two brackets"));
    CHECK(refusal(repeated("- [x, x]\n", 2'000'000)) == "no error");
}

TEST_CASE("models of very many layers are within the limits, in brackets and without") {
    CHECK(refusal(chain_of(320'000, true)) == "no error");
    CHECK(refusal(chain_of(320'000, false)) == "no error");
    const TemporaryFolder folder;
    for (const bool in_brackets : {false, true}) {
        const std::string path = folder.write("m.yaml", chain_of(5'000, in_brackets));
        CHECK(sim::load_model(path, {}).layers.size() == 5'001);
    }
}
