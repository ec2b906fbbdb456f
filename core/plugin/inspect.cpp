#include "core/plugin/inspect.h"

#include <sgw/abi.h>

#include <algorithm>

#include "core/plugin/elf_file.h"

namespace sgw::core {
namespace {

Status Refuse(const std::string& text) { return FailedPrecondition("inspect: " + text); }

std::string Version(std::int64_t major, std::int64_t minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

// What the file is, apart from its tag.
Status CheckFile(const ElfFile& file) {
  if (file.runpath.find("$ORIGIN") != std::string_view::npos ||
      file.runpath.find("${ORIGIN}") != std::string_view::npos) {
    return Refuse(
        "its RUNPATH has $ORIGIN, which has no meaning in the sealed copy that is loaded. Link it with an absolute "
        "path, or statically.");
  }
  if (!file.has_entry) return Refuse("it does not export " SGW_ENTRY_SYMBOL ". Build it with sgw_add_plugin().");
  if (!file.unique.empty()) {
    return Refuse("it exports the unique symbol '" + std::string(file.unique) +
                  "', which it would share with every other plugin. Build it with -fno-gnu-unique.");
  }
  return {};
}

Status CheckVersion(const Json& json, const Tag& tag) {
  if (!json.At("/abi/0") || !json.At("/abi/1")) return Refuse("the plugin tag names no ABI. Build it with the SDK.");
  if (tag.abi_major == SGW_ABI_MAJOR && tag.abi_minor <= SGW_ABI_MINOR) return {};
  const std::string major = std::to_string(SGW_ABI_MAJOR);
  const bool is_older = tag.abi_major < SGW_ABI_MAJOR;
  return Refuse("built for SDK " + Version(tag.abi_major, tag.abi_minor) + ", this gateway speaks " + major + ".0 to " +
                Version(SGW_ABI_MAJOR, SGW_ABI_MINOR) + ". Rebuild with SDK " + major + ".x" +
                (is_older ? "." : ", or upgrade the gateway."));
}

Status CheckSanitizer(const Tag& tag) {
  if (tag.sanitizer == OwnSanitizer()) return {};
  const auto named = [](const std::string& name) {
    return name.empty() ? std::string("no sanitizer") : "the " + name + " sanitizer";
  };
  return Refuse("built with " + named(tag.sanitizer) + ", this gateway with " + named(OwnSanitizer()) +
                ". Build both alike.");
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

Result<Tag> Inspect(std::string_view image) {
  const auto file = ElfFile::Read(image);
  if (!file) return Refuse(file.status().message());
  constexpr std::string_view kMagic = SGW_TAG_MAGIC;
  if (file->tag.substr(0, kMagic.size()) != kMagic) {
    return Refuse("no plugin tag (section " SGW_TAG_SECTION "). Is this a plugin? Is its SGW_ line missing?");
  }
  std::string_view text = file->tag.substr(kMagic.size());
  text = text.substr(0, text.find('\0'));
  const auto json = Json::Parse(text);
  if (!json) return Refuse("the plugin tag is damaged (" + json.status().message() + "). Build it again.");
  Tag tag;
  tag.name = json->String("/name");
  tag.abi_major = json->Integer("/abi/0");
  tag.abi_minor = json->Integer("/abi/1");
  tag.sdk = json->String("/sdk");
  tag.sanitizer = json->String("/sanitizer");
  tag.capabilities = json->Strings("/capabilities");
  // The version first: all else may have another meaning in another one.
  if (Status status = CheckVersion(*json, tag); !status.ok()) return status;
  if (tag.name.empty()) return Refuse("the plugin tag is damaged (it has no name). Build it again.");
  if (Status status = CheckFile(*file); !status.ok()) return status;
  if (Status status = CheckSanitizer(tag); !status.ok()) return status;
  const auto kind = KindOf(json->String("/kind"));
  if (!kind) {
    return Refuse("it is of the kind '" + json->String("/kind") + "', which this gateway does not know. Upgrade it.");
  }
  tag.kind = *kind;
  if (const Json* settings = json->At("/settings")) {
    auto schema = ReadSchema(*settings);
    if (!schema) return Refuse("the plugin tag is damaged (" + schema.status().message() + "). Build it again.");
    tag.settings = *std::move(schema);
  }
  return tag;
}

}  // namespace sgw::core
