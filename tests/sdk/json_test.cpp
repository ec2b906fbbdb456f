#include <doctest/doctest.h>
#include <sgw/json.h>

#include <string>

using namespace sgw;
using namespace std::literals;

TEST_CASE("values are reached by pointers, and what is not there has a default") {
  const auto json =
      Json::Parse(R"({"user": "alice", "teams": ["ads", "ml"], "n": {"a/b": 7, "t~": true}, "x": null, "r": -1.5e2})");
  REQUIRE(json);
  CHECK(json->String("/user") == "alice");
  CHECK(json->Strings("/teams") == std::vector<std::string>{"ads", "ml"});
  CHECK(json->String("/teams/1") == "ml");
  CHECK(json->Integer("/n/a~1b") == 7);
  CHECK(json->Bool("/n/t~0"));
  CHECK(json->Number("/r") == -150);
  CHECK(json->At("/x")->is_null());
  CHECK(json->At("") == &*json);

  CHECK(json->String("/nobody", "none") == "none");
  CHECK(json->String("/teams", "none") == "none");
  CHECK(json->Strings("/user").empty());
  CHECK(json->At("/teams/2") == nullptr);
  CHECK(json->At("/teams/01") == nullptr);
  CHECK(json->At("/teams/-") == nullptr);
  CHECK(json->At("user") == nullptr);
  CHECK(json->At("/user/deeper") == nullptr);
  CHECK(json->Integer("/r", 9) == 9);
}

TEST_CASE("escapes become the text that they stand for") {
  const auto json = Json::Parse(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00é")");
  REQUIRE(json);
  CHECK(*json->as_string() == "\"\\/\b\f\n\r\tAé€😀é");
}

TEST_CASE("what the RFC does not allow is refused with its place") {
  for (const std::string bad : {"",
                                " ",
                                "{",
                                "[",
                                "[1,]",
                                "{\"a\":1,}",
                                "{a:1}",
                                "{\"a\" 1}",
                                "[1 2]",
                                "01",
                                "+1",
                                "1.",
                                ".5",
                                "1e",
                                "-",
                                "nul",
                                "True",
                                "NaN",
                                "Infinity",
                                "'a'",
                                "\"a",
                                "\"\\x\"",
                                "\"\\u12g4\"",
                                "\"\\ud83d\"",
                                "\"\\ude00\"",
                                "\"\\ud83d\\u0041\"",
                                "\"\n\"",
                                "1 1",
                                "[]]",
                                "\"\xff\"",
                                "\"\xc0\xaf\"",
                                "\"\xed\xa0\x80\"",
                                "\"\xf5\x80\x80\x80\"",
                                "\"\xe2\x82\"",
                                "{\"a\":1,\"b\":2,\"a\":3}",
                                "/* */1",
                                "\xef\xbb\xbf{}"}) {
    const auto json = Json::Parse(bad);
    CHECK_MESSAGE(!json, "taken: ", bad);
    if (!json) CHECK(json.status().message().starts_with("JSON: byte "));
  }
  CHECK_FALSE(Json::Parse("\"a\0b\""sv));
}

TEST_CASE("depth and size are bounded") {
  CHECK(Json::Parse(std::string(64, '[') + std::string(64, ']')));
  CHECK_FALSE(Json::Parse(std::string(65, '[') + std::string(65, ']')));
  CHECK_FALSE(Json::Parse(std::string(1'000'000, '[')));
  CHECK_FALSE(Json::Parse("\"" + std::string((16 << 20) + 1, 'a') + "\""));
}

TEST_CASE("integers keep all their digits and do not overflow") {
  CHECK(Json::Parse("9223372036854775807")->as_integer() == INT64_MAX);
  CHECK(Json::Parse("-9223372036854775808")->as_integer() == INT64_MIN);
  CHECK_FALSE(Json::Parse("9223372036854775808")->as_integer());
  CHECK_FALSE(Json::Parse("1.0")->as_integer());
  CHECK(Json::Parse("1e999")->as_number() > 1e308);
}

TEST_CASE("escaped text shows no control character and is valid UTF-8") {
  CHECK(JsonEscape("a\"b\\c\nd\te\x01\x7f") == "a\\\"b\\\\c\\nd\\te\\u0001\\u007f");
  CHECK(JsonEscape("\xc2\x9b[31m") == "\\u009b[31m");
  CHECK(JsonEscape("é€😀") == "é€😀");
  CHECK(JsonEscape("\xff\xc3") == "\xef\xbf\xbd\xef\xbf\xbd");
  const std::string all = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
    return bytes;
  }();
  CHECK(Json::Parse("\"" + JsonEscape(all) + "\""));
}

TEST_CASE("the writer separates and nests") {
  JsonWriter json;
  json.BeginObject().Member("warm", 3).Member("name", "a\"b").Key("list").BeginArray().Value(true).Null().Value(0.5);
  json.BeginObject().EndObject().EndArray().Key("raw").Raw("[1]").Member("big", INT64_MIN).EndObject();
  CHECK(json.Text() == R"({"warm":3,"name":"a\"b","list":[true,null,0.5,{}],"raw":[1],"big":-9223372036854775808})");
  CHECK(Json::Parse(json.Text()));
}
