// RecordOf: what an observer is told of a call, filled from its context. Borrows from the context.
#pragma once

#include <sgw/abi.h>

#include <boost/container/small_vector.hpp>

#include "core/pipeline/call_context.h"
#include "core/plugin/raw_views.h"

namespace sgw::core {

class RecordOf {
 public:
  RecordOf(std::uint32_t event, const CallContext& context) {
    raw_.size = sizeof(raw_);
    raw_.event = event;
    raw_.wall_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
    const CallFacts& facts = *context.facts;
    raw_.call_id = View(facts.id);
    raw_.traceparent = View(facts.traceparent);
    raw_.listener = View(facts.listener);
    raw_.peer_address = View(facts.peer_address);
    raw_.method = View(facts.method());
    if (context.identity) {
      raw_.realm = View(context.identity->realm);
      raw_.subject = View(context.identity->subject);
      raw_.user_name = View(context.identity->user_name);
      raw_.actor = View(context.identity->actor);
      for (const std::string& group : context.identity->groups) groups_.push_back(View(group));
      for (const auto& [name, value] : context.identity->claims) claims_.push_back({View(name), View(value)});
    }
    for (const auto& [name, value] : context.route->labels) labels_.push_back({View(name), View(value)});
    raw_.groups = {groups_.data(), groups_.size()};
    raw_.claims = {claims_.data(), claims_.size()};
    raw_.labels = {labels_.data(), labels_.size()};
    raw_.name_space = View(context.route->namespace_);
    raw_.team = View(context.route->team);
    raw_.environment = View(context.route->environment);
    raw_.session_id = View(context.session_id);
    raw_.operation_id = View(context.operation_id);
    raw_.client_type = View(facts.client_type);
    if (context.home) raw_.endpoint = View(context.home->address);
    raw_.refused_by = View(context.refused_by);
  }
  RecordOf(const RecordOf&) = delete;
  RecordOf& operator=(const RecordOf&) = delete;

  // For what only the caller knows: code, bytes, endpoint.
  sgw_record& raw() { return raw_; }

 private:
  // Most have few.
  boost::container::small_vector<sgw_view, 4> groups_;
  boost::container::small_vector<sgw_pair, 2> claims_;
  boost::container::small_vector<sgw_pair, 2> labels_;
  sgw_record raw_{};
};

}  // namespace sgw::core
