#include "sim/text.hpp"

#include <doctest/doctest.h>

#include <string>

TEST_CASE("names in any writing are printable, what commands a terminal is not") {
    for (const char* text :
         {"conv1", "", "a b", "caf\u00e9", "\u4e2d\u6587", "\U0001f600", "=1+1,x\"y"}) {
        CAPTURE(text);
        CHECK(sim::is_printable(text));
        CHECK(sim::printable(text) == text);
    }
    for (const char* text : {"\x1b[31m",
                             "a\nb",
                             "\t",
                             "\x7f",
                             "\u0085",
                             "\u009b",
                             "\u2028",
                             "\u202e",
                             "\u2066",
                             "\ufeff",
                             "\ufffe",
                             "\ufdd0",
                             "\U0001ffff",
                             "\xff",
                             "\xc0\x80",
                             "\xed\xa0\x80",
                             "\xe2\x82",
                             "\xf4\x90\x80\x80"}) {
        CAPTURE(text);
        CHECK_FALSE(sim::is_printable(text));
        CHECK(sim::is_printable(sim::printable(text)));
    }
    CHECK_FALSE(sim::is_printable(std::string(1, '\0')));
}

TEST_CASE("what is not printable is spelled out, what is no text replaced") {
    CHECK(sim::printable("a\x1b[31mb\n") == "a\\u001b[31mb\\u000a");
    CHECK(sim::printable("a\x1b[31mb\n", "\n") == "a\\u001b[31mb\n");
    CHECK(sim::printable("\u202ex") == "\\u202ex");
    CHECK(sim::printable("a\xff\xfe") == "a\ufffd\ufffd");
    CHECK(sim::printable("\U0001ffff") == "\ufffd");
}

TEST_CASE("fields of CSV are quoted as RFC 4180 says, and are no formulas") {
    CHECK(sim::csv_field("conv1") == "conv1");
    CHECK(sim::csv_field("") == "");
    CHECK(sim::csv_field("a,b") == "\"a,b\"");
    CHECK(sim::csv_field("a\"b") == "\"a\"\"b\"");
    CHECK(sim::csv_field("a\nb") == "\"a\nb\"");
    CHECK(sim::csv_field("=1+1,x") == "\"'=1+1,x\"");
    CHECK(sim::csv_field("@x") == "'@x");
    CHECK(sim::csv_field("-x") == "'-x");
}
