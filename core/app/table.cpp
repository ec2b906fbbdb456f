#include "core/app/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace sgw::core {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// What a terminal needs for it, in columns of one character.
std::size_t Width(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), IsContinuation));
}

// Of a text of several lines a row has room for one.
std::string Visible(const std::string& lines) {
  std::string text;
  for (const char c : lines.substr(0, lines.find_last_not_of('\n') + 1))
    text += c == '\n' ? std::string(" | ") : std::string(1, c);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return text.empty() ? "-" : text;
}

// The first so many characters.
std::string_view Cut(std::string_view text, std::size_t width) {
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if (!IsContinuation(text[end]) && ++seen > width) break;
  }
  return text.substr(0, end);
}

std::size_t TerminalWidth() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 100'000;
  return size.ws_col;
}

}  // namespace

void PrintTable(const std::vector<Row>& rows) {
  std::vector<Row> shown = rows;
  std::vector<std::size_t> widths(rows.front().size());
  for (Row& row : shown) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = Visible(row[i]);
      widths[i] = std::max(widths[i], Width(row[i]));
    }
  }
  const std::size_t most = TerminalWidth();
  for (const Row& row : shown) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - Width(row[i]) + 2, ' ');
    }
    std::cout << Cut(line, most) << "\n";
  }
}

}  // namespace sgw::core
