#include "core/connect/field_scanner.h"

#include <doctest/doctest.h>

#include "tests/core/connect/wire.h"

namespace sgw::core {
namespace {

// Remembers what it was told, as one line for each event.
struct Log : FieldScanner::Visitor {
  const char* OnMessage(std::uint8_t flags, std::uint32_t length) override {
    lines += "message " + std::to_string(flags) + " " + std::to_string(length) + "\n";
    return nullptr;
  }
  std::string* OnField(std::uint32_t number, WireType type, std::uint64_t, const char**) override {
    captured.clear();
    return number == 7 && type == WireType::kLength ? &captured : nullptr;
  }
  void OnValue(std::uint32_t number, std::uint64_t value) override {
    lines += std::to_string(number) + " " + std::to_string(value) + " " + captured + "\n";
    captured.clear();
  }
  void OnMessageEnd() override { lines += "end\n"; }

  std::string lines;
  std::string captured;
};

// What is seen of a stream that arrives in pieces of that size, and the scanner's complaint.
std::string Seen(std::string_view stream, std::size_t piece_size, std::string* error) {
  Log log;
  FieldScanner scanner;
  while (!stream.empty() && scanner.error() == nullptr) {
    const std::string_view piece = stream.substr(0, piece_size);
    stream.remove_prefix(scanner.Feed(piece, log));
  }
  *error = scanner.error() ? scanner.error() : "";
  return log.lines;
}

std::string Complaint(std::string_view message) {
  std::string whole;
  const std::string lines = Seen(Framed(message), std::string::npos, &whole);
  for (const std::size_t size : {1, 2, 3, 7}) {
    std::string error;
    CHECK(Seen(Framed(message), size, &error) == lines);
    CHECK(error == whole);
  }
  return whole;
}

TEST_CASE("fields are the same, whatever the pieces in which they arrive") {
  const std::string first =
      Number(3, 300) + Text(7, "seven") + Tag(4, 1) + "12345678" + Tag(5, 5) + "1234" + Text(7, "");
  const std::string stream = Framed(first) + Framed("") + Framed(Text(9, std::string(300, 'x')), 1);
  const std::string expected = "message 0 " + std::to_string(first.size()) +
                               "\n3 300 \n7 0 seven\n4 0 \n5 0 \n7 0 \nend\n" + "message 0 0\nend\n" +
                               "message 1 303\n9 0 \nend\n";
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    std::string error;
    CHECK(Seen(stream, size, &error) == expected);
    CHECK(error.empty());
  }
}

TEST_CASE("padded numbers are legal up to their longest form") {
  CHECK(Complaint(Varint(3 << 3, 5) + Varint(1, 10)) == "");
  CHECK(Complaint(Varint(3 << 3 | 2, 5) + Varint(2, 10) + "ab") == "");
  CHECK(Complaint(Tag((1u << 29) - 1, 0) + Varint(~std::uint64_t{0})) == "");
}

TEST_CASE("what parsers may read differently is refused") {
  CHECK(Complaint(Tag(0, 0) + "a") == "a field number out of range");
  CHECK(Complaint(Tag(1u << 29, 0) + "a") == "a field number out of range");
  CHECK(Complaint(Varint(3 << 3, 6) + "a") == "a field tag of more than 5 bytes");
  for (const int type : {3, 4, 6, 7}) CHECK(Complaint(Tag(3, type) + "a") == "a group or an unknown wire type");
  CHECK(Complaint(Tag(3, 0) + Varint(1, 11)) == "a number of more than 64 bits");
  CHECK(Complaint(Tag(3, 0) + std::string(9, '\xff') + "\x02") == "a number of more than 64 bits");
  CHECK(Complaint(Tag(3, 2) + Varint(std::uint64_t{1} << 31) + "abc") == "a field of more than 2 GiB");
  // A length whose lower half says 1: Java drops the upper.
  CHECK(Complaint(Tag(3, 2) + Varint((std::uint64_t{1} << 32) + 1) + "a") == "a field of more than 2 GiB");
}

TEST_CASE("a field that does not end with its message is refused") {
  CHECK(Complaint(Tag(3, 2) + "\x02" + "a") == "a field that overruns its message");
  CHECK(Complaint(Tag(3, 1) + "1234567") == "a field that overruns its message");
  CHECK(Complaint(Tag(3, 5) + "123") == "a field that overruns its message");
  for (const std::string& cut : {std::string("\x80"), Tag(3, 0), Tag(3, 2), Tag(3, 0) + "\x80", Tag(3, 2) + "\x80"}) {
    CHECK(Complaint(Number(3, 1) + cut) == "a message that ends inside a field");
  }
  for (const int type : {1, 5}) CHECK(Complaint(Tag(3, type)) != "");
}

}  // namespace
}  // namespace sgw::core
