#include "core/plugin/inspect.h"

#include <elf.h>
#include <sgw/abi.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace sgw::core {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#endif

// Reads of a hostile file: every offset is checked.
class Image {
 public:
  explicit Image(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  bool Read(std::uint64_t at, T& into) const {
    if (at > bytes_.size() || bytes_.size() - at < sizeof(T)) return false;
    std::memcpy(&into, bytes_.data() + at, sizeof(T));
    return true;
  }
  std::string_view Slice(std::uint64_t at, std::uint64_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) return {};
    return bytes_.substr(at, size);
  }
  std::string_view Text(std::string_view table, std::uint64_t at) const {
    if (at >= table.size()) return {};
    const std::string_view rest = table.substr(at);
    return rest.substr(0, rest.find('\0'));
  }

 private:
  std::string_view bytes_;
};

Status Refuse(const std::string& text) { return FailedPrecondition("inspect: " + text); }

// What the section headers tell: the tag, and the RUNPATH of the dynamic section.
Status ReadSections(const Image& image, const Elf64_Ehdr& header, std::string_view& tag, std::string_view& runpath) {
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0) return Refuse("the file has no sections.");
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (!image.Read(header.e_shoff + i * sizeof(Elf64_Shdr), sections[i])) return Refuse("the file is cut short.");
  }
  if (header.e_shstrndx >= sections.size()) return Refuse("the file is damaged.");
  const auto slice = [&](const Elf64_Shdr& section) { return image.Slice(section.sh_offset, section.sh_size); };
  const std::string_view names = slice(sections[header.e_shstrndx]);
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type == SHT_NOBITS) continue;
    if (image.Text(names, section.sh_name) == SGW_TAG_SECTION) tag = slice(section);
    if (section.sh_type != SHT_DYNAMIC || section.sh_link >= sections.size()) continue;
    const std::string_view strings = slice(sections[section.sh_link]);
    Elf64_Dyn entry{};
    for (std::uint64_t at = 0; at + sizeof(entry) <= section.sh_size; at += sizeof(entry)) {
      if (!image.Read(section.sh_offset + at, entry) || entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH) runpath = image.Text(strings, entry.d_un.d_val);
    }
  }
  return {};
}

}  // namespace

bool Tag::has(std::string_view capability) const {
  return std::find(capabilities.begin(), capabilities.end(), capability) != capabilities.end();
}

const char* OwnSanitizer() {
#if defined(__SANITIZE_ADDRESS__)
  return "address";
#elif defined(__SANITIZE_THREAD__)
  return "thread";
#else
  return "";
#endif
}

Result<Tag> Inspect(std::string_view bytes) {
  const Image image(bytes);
  Elf64_Ehdr header{};
  if (!image.Read(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return Refuse("this is not a shared library (no ELF header). Give the path of the .so file.");
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != kMachine) {
    return Refuse("built for another machine (ELF machine " + std::to_string(header.e_machine) +
                  ", this gateway runs on " + std::to_string(kMachine) + "). Build it for this one.");
  }
  if (header.e_type != ET_DYN) return Refuse("this is a program or an object file, not a shared library.");
  std::string_view tag_bytes;
  std::string_view runpath;
  if (const Status status = ReadSections(image, header, tag_bytes, runpath); !status.ok()) return status;
  if (runpath.find("$ORIGIN") != std::string_view::npos || runpath.find("${ORIGIN}") != std::string_view::npos) {
    return Refuse(
        "its RUNPATH has $ORIGIN, which has no meaning in the sealed copy that is loaded. Link it with an absolute "
        "path, or statically.");
  }
  constexpr std::string_view kMagic = SGW_TAG_MAGIC;
  if (tag_bytes.substr(0, kMagic.size()) != kMagic) {
    return Refuse("no plugin tag (section " SGW_TAG_SECTION "). Is its SGW_ line missing, or was it stripped?");
  }
  tag_bytes.remove_prefix(kMagic.size());
  tag_bytes = tag_bytes.substr(0, tag_bytes.find('\0'));
  const auto json = Json::Parse(tag_bytes);
  if (!json) return Refuse("the plugin tag is damaged: " + json.status().message());
  Tag tag;
  tag.name = json->String("/name");
  tag.abi_major = static_cast<int>(json->Integer("/abi/0"));
  tag.abi_minor = static_cast<int>(json->Integer("/abi/1"));
  tag.sdk = json->String("/sdk");
  tag.sanitizer = json->String("/sanitizer");
  tag.capabilities = json->Strings("/capabilities");
  if (tag.abi_major != SGW_ABI_MAJOR || tag.abi_minor > SGW_ABI_MINOR) {
    return Refuse("built for plugin ABI " + std::to_string(tag.abi_major) + "." + std::to_string(tag.abi_minor) +
                  ", this gateway speaks " + std::to_string(SGW_ABI_MAJOR) + ".0 to " + std::to_string(SGW_ABI_MAJOR) +
                  "." + std::to_string(SGW_ABI_MINOR) + ". Rebuild it with an SDK of ABI " +
                  std::to_string(SGW_ABI_MAJOR) + ".x, or upgrade the gateway.");
  }
  if (tag.sanitizer != OwnSanitizer()) {
    const auto named = [](const std::string& name) {
      return name.empty() ? std::string("no sanitizer") : "the " + name + " sanitizer";
    };
    return Refuse("built with " + named(tag.sanitizer) + ", this gateway with " + named(OwnSanitizer()) +
                  ". Build both alike.");
  }
  const auto kind = KindOf(json->String("/kind"));
  if (!kind) return Refuse("the kind '" + json->String("/kind") + "' is none that this gateway knows.");
  tag.kind = *kind;
  if (const Json* settings = json->At("/settings")) {
    auto schema = ReadSchema(*settings);
    if (!schema) return Refuse("the plugin tag is damaged: " + schema.status().message());
    tag.settings = *std::move(schema);
  }
  return tag;
}

Result<std::string> FindLibrary(const std::string& use, const std::vector<std::string>& directories) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (use.find('/') != std::string::npos) {
    if (fs::exists(use, ignored)) return use;
    return NotFound("there is no file '" + use + "'");
  }
  std::string wanted = use;
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  std::vector<std::string> names;
  for (const std::string& directory : directories) {
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
      if (entry.path().extension() != ".so") continue;
      std::string stem = entry.path().stem().string();
      names.push_back(stem);
      std::replace(stem.begin(), stem.end(), '-', '_');
      if (stem == wanted) return entry.path().string();
    }
  }
  std::string searched;
  for (const std::string& directory : directories) searched += (searched.empty() ? "" : ", ") + directory;
  return NotFound("no plugin library '" + use + "' in " + (searched.empty() ? "any directory" : searched) +
                  DidYouMean(use, names));
}

}  // namespace sgw::core
