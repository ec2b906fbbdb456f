#include "core/http2/slab.h"

#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <string>
#include <vector>

using namespace sgw::core;

namespace {

// Receives so many bytes, as a connection does.
Piece Receive(std::uint32_t size) {
  Buffer& slab = SlabPool::Mine().Writable();
  REQUIRE(slab.room() >= size);
  char* const start = slab.data() + slab.used;
  std::memset(start, 'x', size);
  SlabPool::Mine().Filled(size);
  return Piece(&slab, start, size);
}

}  // namespace

TEST_CASE("a held piece keeps its slab only while half of the slab is wanted or it is received into") {
  constexpr std::uint32_t kPart = SlabPool::kSlabBytes / 16;
  std::deque<Piece> pieces;
  for (int i = 0; i < 16; ++i) pieces.push_back(Receive(kPart));
  SlabPool::Mine().Writable();  // the next slab
  CHECK(SlabPool::Mine().slabs() == 2);
  for (int i = 0; i < 8; ++i) pieces.pop_back();
  for (Piece& piece : pieces) piece.CopyOutIfWasteful();
  CHECK(SlabPool::Mine().slabs() == 2);
  pieces.pop_back();
  for (Piece& piece : pieces) piece.CopyOutIfWasteful();
  CHECK(SlabPool::Mine().slabs() == 1);

  Piece current = Receive(kPart);
  const char* const at = current.data();
  current.CopyOutIfWasteful();
  CHECK(current.data() == at);
  current.CopyOut();
  CHECK(current.data() != at);
  CHECK(current.view() == std::string(kPart, 'x'));
}

TEST_CASE("small pieces that wait are put together, in their order") {
  std::vector<Piece> pieces;
  std::string all;
  for (int i = 0; i < 10'000; ++i) {
    const std::string byte(1, static_cast<char>(i));
    all += byte;
    AppendPiece(pieces, Piece::Copy(byte));
  }
  CHECK(pieces.size() <= 11);
  AppendPiece(pieces, Piece::Copy(std::string(1000, 'y')));
  const Piece shared = pieces.back();
  AppendPiece(pieces, Piece::Copy("z"));
  CHECK(shared.size() == 1000);
  std::string seen;
  for (const Piece& piece : pieces) seen += piece.view();
  CHECK(seen == all + std::string(1000, 'y') + "z");
}
