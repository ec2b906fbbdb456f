// PrintTable: rows for a person's eyes.
#pragma once

#include <string>
#include <vector>

namespace sgw::core {

using Row = std::vector<std::string>;

// Prints the rows in columns; the first row is their heads. Control characters are shown, not obeyed. On a terminal a
// line ends at its width; elsewhere it is whole.
void PrintTable(const std::vector<Row>& rows);

}  // namespace sgw::core
