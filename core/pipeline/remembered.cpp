#include "core/pipeline/remembered.h"

#include <algorithm>
#include <utility>

namespace sgw::core {

bool Remembered::IsSaid(std::string_view header) const {
  const std::vector<std::string>& also = identity_->made_from;
  return IsCredential(header) || std::find(also.begin(), also.end(), header) != also.end();
}

bool Remembered::Knows(const CallFacts& facts, const Asked& asked) const {
  if (!identity_ || asked != asked_ || facts.tls != peer_) return false;
  if (identity_->expiry && *identity_->expiry <= facts.received) return false;
  std::string_view rest = said_;
  const auto comes_next = [&rest](std::string_view text) {
    if (rest.size() <= text.size() || rest[text.size()] != '\0' || !rest.starts_with(text)) return false;
    rest.remove_prefix(text.size() + 1);
    return true;
  };
  for (std::size_t i = 0; i < facts.headers.size(); ++i) {
    const HeaderField field = facts.headers[i];
    if (IsSaid(field.name) && !(comes_next(field.name) && comes_next(field.value))) return false;
  }
  return rest.empty();
}

void Remembered::Keep(const CallFacts& facts, const Asked& asked, std::shared_ptr<const Identity> identity,
                      Status only_bound) {
  asked_ = asked;
  identity_ = std::move(identity);
  only_bound_ = std::move(only_bound);
  peer_ = facts.tls;
  said_.clear();
  for (std::size_t i = 0; i < facts.headers.size(); ++i) {
    const HeaderField field = facts.headers[i];
    if (!IsSaid(field.name)) continue;
    for (const std::string_view text : {field.name, field.value}) said_.append(text).push_back('\0');
  }
}

}  // namespace sgw::core
