#include "core/plugin/elf_file.h"

#include <elf.h>
#include <sgw/abi.h>

#include <cstring>
#include <vector>

namespace sgw::core {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "name this machine's ELF number here"
#endif

std::string MachineName(Elf64_Half machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "aarch64";
    case EM_386: return "i386";
    default: return "ELF machine " + std::to_string(machine);
  }
}

// Every offset in a file is somebody's claim.
class Image {
 public:
  explicit Image(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  bool Read(std::uint64_t at, T& into) const {
    if (!Holds(at, sizeof(T))) return false;
    std::memcpy(&into, bytes_.data() + at, sizeof(T));
    return true;
  }
  bool Holds(std::uint64_t at, std::uint64_t size) const { return at <= bytes_.size() && bytes_.size() - at >= size; }
  std::string_view Slice(std::uint64_t at, std::uint64_t size) const {
    return Holds(at, size) ? bytes_.substr(at, size) : std::string_view();
  }

 private:
  std::string_view bytes_;
};

std::string_view TextAt(std::string_view table, std::uint64_t at) {
  if (at >= table.size()) return {};
  const std::string_view rest = table.substr(at);
  return rest.substr(0, rest.find('\0'));
}

template <typename T>
T Entry(std::string_view table, std::size_t index) {
  T entry;
  std::memcpy(&entry, table.data() + index * sizeof(T), sizeof(T));
  return entry;
}

void ReadDynamic(std::string_view table, std::string_view strings, ElfFile& file) {
  for (std::size_t i = 0; i < table.size() / sizeof(Elf64_Dyn); ++i) {
    const auto entry = Entry<Elf64_Dyn>(table, i);
    if (entry.d_tag == DT_NULL) return;
    if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH) file.runpath = TextAt(strings, entry.d_un.d_val);
  }
}

void ReadSymbols(std::string_view table, std::string_view strings, ElfFile& file) {
  for (std::size_t i = 0; i < table.size() / sizeof(Elf64_Sym); ++i) {
    const auto symbol = Entry<Elf64_Sym>(table, i);
    if (symbol.st_shndx == SHN_UNDEF) continue;
    const auto binding = ELF64_ST_BIND(symbol.st_info);
    if (binding == STB_GNU_UNIQUE && file.unique.empty()) file.unique = TextAt(strings, symbol.st_name);
    if (binding == STB_GLOBAL && TextAt(strings, symbol.st_name) == SGW_ENTRY_SYMBOL) file.has_entry = true;
  }
}

}  // namespace

Result<ElfFile> ElfFile::Read(std::string_view bytes) {
  const Image image(bytes);
  const Status damaged = FailedPrecondition("the file is damaged or cut short. Build or copy it again.");
  Elf64_Ehdr header{};
  if (bytes.substr(0, SELFMAG) != std::string_view(ELFMAG, SELFMAG)) {
    return FailedPrecondition("this is not a shared library (no ELF header). Give the path of a .so file.");
  }
  if (!image.Read(0, header)) return damaged;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != kMachine) {
    const bool is_32_bit = header.e_ident[EI_CLASS] != ELFCLASS64;
    const bool is_big_endian = header.e_ident[EI_DATA] != ELFDATA2LSB;
    return FailedPrecondition("built for " + MachineName(header.e_machine) + (is_32_bit ? " in 32 bits" : "") +
                              (is_big_endian ? " in big-endian order" : "") + ", this gateway runs on " +
                              MachineName(kMachine) + (is_32_bit ? " in 64 bits" : "") +
                              ". Build it for this machine.");
  }
  if (header.e_type != ET_DYN) {
    return FailedPrecondition(
        "this is a program or an object file, not a shared library. Build it with sgw_add_plugin().");
  }
  // What the loader would map must be there: a page past the end of a file is a SIGBUS.
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (header.e_phentsize != sizeof(segment) || !image.Read(header.e_phoff + i * sizeof(segment), segment) ||
        (segment.p_type == PT_LOAD && !image.Holds(segment.p_offset, segment.p_filesz))) {
      return damaged;
    }
  }

  std::vector<Elf64_Shdr> sections(header.e_shnum);
  if (header.e_shnum > 0 && header.e_shentsize != sizeof(Elf64_Shdr)) return damaged;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (!image.Read(header.e_shoff + i * sizeof(Elf64_Shdr), sections[i])) return damaged;
  }
  const auto slice = [&](std::size_t index) {
    if (index >= sections.size() || sections[index].sh_type == SHT_NOBITS) return std::string_view();
    return image.Slice(sections[index].sh_offset, sections[index].sh_size);
  };
  ElfFile file;
  const std::string_view names = slice(header.e_shstrndx);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const Elf64_Shdr& section = sections[i];
    if (TextAt(names, section.sh_name) == SGW_TAG_SECTION) file.tag = slice(i);
    if (section.sh_type == SHT_DYNAMIC) ReadDynamic(slice(i), slice(section.sh_link), file);
    if (section.sh_type == SHT_DYNSYM) ReadSymbols(slice(i), slice(section.sh_link), file);
  }
  return file;
}

}  // namespace sgw::core
