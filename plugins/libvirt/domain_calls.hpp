// The calls into libvirt that change something. They run on the thread of a bounded call and ask for the right to act
// just before the act. Refused: nothing happened. Unknown: the connection broke, or libvirt's word is not what was
// asked for.
#pragma once

#include "bounded_call.hpp"
#include "handles.hpp"

namespace pvcd::libvirt {

Answer create_paused(const Connect&, const VmUuid&, const std::string& xml, const RightToAct&);
Answer resume_cpus(const Connect&, const VmUuid&, const RightToAct&);
Answer press_power_button(const Connect&, const VmUuid&, const RightToAct&);
Answer destroy_domain(const Connect&, const VmUuid&, const RightToAct&);

}  // namespace pvcd::libvirt
