#include "audit/history.hpp"

namespace pvcd::audit {
namespace {

std::string text(std::uint64_t number) { return std::to_string(number); }

std::string who(const Life& life) {
  return life.node + " (boot " + life.boot + ", incarnation " + text(life.incarnation) + ")";
}

bool is_same_boot(const Life& one, const Life& other) { return one.node == other.node && one.boot == other.boot; }

EvidenceKind kind_behind(CoverKind cover) {
  switch (cover) {
    case CoverKind::LaterBoot:
      return EvidenceKind::LaterBoot;
    case CoverKind::Operator:
      return EvidenceKind::Operator;
    case CoverKind::Storage:
      return EvidenceKind::Storage;
    case CoverKind::Watchdog:
      return EvidenceKind::Watchdog;
    default:
      return EvidenceKind::Power;
  }
}

// Walks along the links. Each check says what is wrong with the next one; empty: nothing. What a wrong link claims is
// taken for granted afterwards, so that one break is told once.
class Chain {
 public:
  explicit Chain(const VmHistory& history) : name_(history.name.empty() ? history.uuid : history.name) {
    for (const NumberedLink& one : history.links) follow(one);
    if (!fault_.empty() && !told_)
      found_.broken.push_back(name_ + ": " + fault_ + "; nothing has been started on the strength of it yet");
  }
  Finding found() && { return std::move(found_); }

 private:
  struct Owner {
    Generation generation = 0;
    Life life;
    Epoch epoch = 0;
    bool released = false;
  };

  void follow(const NumberedLink& one) {
    if (one.number != next_) blame(missing(one.number));
    next_ = one.number + 1;
    if (!one.link) return blame("link " + text(one.number) + " of its history cannot be read: " + one.problem);
    const LinkRecord& link = *one.link;
    // What is kept may begin anywhere, when older links were removed; a whole history begins with generation 1.
    const std::string wrong = owner_ || begins_whole_ ? objection(link) : "";
    if (link.kind == LinkKind::Started) return judge_start(link, wrong);
    if (link.kind == LinkKind::Assigned && told_) settle();
    if (!wrong.empty()) blame(wrong);
    if (link.kind == LinkKind::Released && !wrong.empty()) return;
    owner_ = Owner{link.generation, link.life, link.epoch, link.kind == LinkKind::Released};
  }

  std::string missing(std::uint64_t number) {
    if (!owner_ && next_ == 0) {
      begins_whole_ = false;
      return {};
    }
    return number < next_ ? "link " + text(number) + " of its history is there twice or out of order"
                          : "link " + text(next_) + " of its history is missing";
  }

  // The oldest fault counts: what follows stands on it.
  void blame(std::string fault) {
    if (fault.empty() || (!fault_.empty() && !told_)) return;
    fault_ = std::move(fault);
    told_ = false;
  }
  void settle() {
    fault_.clear();
    told_ = false;
  }

  void judge_start(const LinkRecord& link, const std::string& wrong) {
    ++found_.starts;
    if (!owner_) owner_ = Owner{link.generation, link.life, link.epoch, false};
    const std::string& fault = fault_.empty() ? wrong : fault_;
    if (fault.empty()) return;
    found_.broken.push_back(name_ + ": its start on " + who(link.life) + " at generation " + text(link.generation) +
                            " is not proven: " + fault);
    told_ = !fault_.empty();
  }

  std::string objection(const LinkRecord& link) const {
    switch (link.kind) {
      case LinkKind::Assigned:
        return owner_ ? objection_to_assignment(link) : objection_to_first(link);
      case LinkKind::Readopted:
        return objection_to_readoption(link);
      case LinkKind::Started:
        return objection_to_start(link);
      case LinkKind::Released:
        return objection_to_release(link);
    }
    return "its history holds something unknown";
  }

  std::string objection_to_first(const LinkRecord& link) const {
    if (link.generation != 1) return "its history begins with generation " + text(link.generation) + ", not with 1";
    if (link.handover)
      return "generation 1 was taken from " + who(link.handover->from) + ", whom nothing else mentions";
    return {};
  }

  std::string objection_to_assignment(const LinkRecord& link) const {
    if (link.generation == owner_->generation)
      return "generation " + text(link.generation) + " was given away twice, to " + who(owner_->life) + " and to " +
             who(link.life);
    if (link.generation != owner_->generation + 1)
      return "generation " + text(owner_->generation) + " is followed by generation " + text(link.generation);
    if (link.epoch < owner_->epoch)
      return "generation " + text(link.generation) + " was assigned under epoch " + text(link.epoch) +
             ", although epoch " + text(owner_->epoch) + " had begun";
    if (!link.handover) return "nothing says how " + who(owner_->life) + " lost generation " + text(owner_->generation);
    return objection_to_handover(*link.handover, link.epoch);
  }

  std::string objection_to_handover(const Handover& handover, Epoch epoch) const {
    if (handover.from != owner_->life || handover.generation != owner_->generation)
      return "it was taken from " + who(handover.from) + " at generation " + text(handover.generation) +
             ", but its owner was " + who(owner_->life) + " at generation " + text(owner_->generation);
    if (handover.cover == CoverKind::None) return "nothing covers " + who(owner_->life);
    if (handover.cover == CoverKind::Release)
      return owner_->released
                 ? ""
                 : "the release of generation " + text(owner_->generation) + " by " + who(owner_->life) + " is missing";
    if (!handover.evidence) return "the evidence about " + who(owner_->life) + " is missing";
    return objection_to_evidence(*handover.evidence, handover.cover, epoch);
  }

  // The epoch of an assignment shows that the boot lived then; evidence of an earlier epoch cannot be about its end.
  std::string objection_to_evidence(const EvidenceRecord& evidence, CoverKind cover, Epoch epoch) const {
    if (evidence.kind != kind_behind(cover)) return "its evidence is of another kind than the cover that it gave";
    if (!is_same_boot(evidence.life, owner_->life))
      return "its evidence is about " + who(evidence.life) + ", but the owner was " + who(owner_->life);
    // A later boot ends every incarnation of the boots before it.
    const bool of_old_session = cover != CoverKind::LaterBoot && evidence.life.incarnation < owner_->life.incarnation;
    if (of_old_session || evidence.epoch < owner_->epoch)
      return "its evidence (incarnation " + text(evidence.life.incarnation) + ", epoch " + text(evidence.epoch) +
             ") is older than the ownership that it ended (incarnation " + text(owner_->life.incarnation) + ", epoch " +
             text(owner_->epoch) + ")";
    if (evidence.epoch > epoch)
      return "its evidence is of epoch " + text(evidence.epoch) + ", later than the assignment that relies on it";
    return {};
  }

  std::string objection_to_readoption(const LinkRecord& link) const {
    const bool goes_on = owner_ && link.generation == owner_->generation && link.epoch == owner_->epoch &&
                         is_same_boot(link.life, owner_->life) && link.life.incarnation > owner_->life.incarnation;
    if (goes_on && !owner_->released) return {};
    return who(link.life) + " took generation " + text(link.generation) + " up again, " + present_owner();
  }

  std::string objection_to_start(const LinkRecord& link) const {
    if (!owner_) return "nothing says who assigned generation " + text(link.generation);
    if (link.generation != owner_->generation || link.life != owner_->life) return "at that time " + present_owner();
    if (link.epoch != owner_->epoch)
      return "it names epoch " + text(link.epoch) + ", but generation " + text(link.generation) +
             " was assigned under epoch " + text(owner_->epoch);
    if (owner_->released) return who(link.life) + " had released that generation before";
    return {};
  }

  std::string objection_to_release(const LinkRecord& link) const {
    if (owner_ && link.generation == owner_->generation && link.life == owner_->life) return {};
    return who(link.life) + " released generation " + text(link.generation) + ", " + present_owner();
  }

  std::string present_owner() const {
    if (!owner_) return "which nobody is known to have owned";
    return "generation " + text(owner_->generation) + " belonged to " + who(owner_->life);
  }

  std::string name_;
  std::optional<Owner> owner_;
  std::uint64_t next_ = 0;
  bool begins_whole_ = true;
  std::string fault_;  // since when the chain is broken
  bool told_ = false;  // a start has been blamed on it
  Finding found_;
};

}  // namespace

Finding check(const VmHistory& history) { return Chain(history).found(); }

}  // namespace pvcd::audit
