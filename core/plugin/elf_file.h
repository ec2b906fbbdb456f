// ElfFile: what the inspector wants to know of an ELF image, read without trusting a byte of it.
#pragma once

#include <sgw/status.h>

#include <string>
#include <string_view>

namespace sgw::core {

struct ElfFile {
  std::string_view tag;      // content of the section .sgw.tag
  std::string_view runpath;  // RUNPATH or RPATH; empty: none
  bool has_entry = false;    // the entry symbol is exported
  std::string_view unique;   // a symbol that it shares with every other library by force (STB_GNU_UNIQUE)

  // Views into `image`. Not OK: no shared library for this machine, or a damaged one.
  static Result<ElfFile> Read(std::string_view image);
};

}  // namespace sgw::core
