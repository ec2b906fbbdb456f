// The inspector of plugin files, which reads an image that may be anything at all.
#include "core/plugin/elf_file.h"
#include "core/plugin/inspect.h"
#include "tests/fuzz/input.h"

namespace sgw::core {
namespace {

using fuzz::Require;

bool IsWithin(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void Check(std::string_view image) {
  const auto file = ElfFile::Read(image);
  if (file) {
    Require(IsWithin(file->tag, image) && IsWithin(file->runpath, image) && IsWithin(file->unique, image),
            "what is shown of a file is in the file");
  } else {
    Require(!file.status().message().empty(), "a refusal has a reason");
  }
  const auto tag = Inspect(image);
  Require(file || !tag, "a damaged file has no tag");
  if (!tag) {
    Require(tag.status().message().starts_with("inspect: "), "a refusal names its phase");
    return;
  }
  Require(file->has_entry && file->unique.empty(), "a plugin has an entry, and shares nothing by force");
  Require(!tag->name.empty(), "a plugin has a name");
  Require(tag->sanitizer == OwnSanitizer(), "a plugin is built as the gateway is");
}

}  // namespace
}  // namespace sgw::core

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::core::Check(sgw::fuzz::Input(data, size).Rest());
  return 0;
}
