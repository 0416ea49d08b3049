//! The exposure rule: an instance that other hosts can reach never runs with the door open.

/// What decides whether the server may start.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that are independent of each other")]
pub(crate) struct Facts {
    /// Only this machine can reach it.
    pub(crate) is_loopback: bool,
    /// A proxy is in front, so that others can.
    pub(crate) has_proxy: bool,
    /// The default account has the default password.
    pub(crate) password_is_default: bool,
    /// Agents need a token.
    pub(crate) has_agent_token: bool,
}

/// Says in one line what to do before the server may start, if anything.
pub(crate) fn objection(facts: Facts) -> Option<String> {
    if facts.is_loopback && !facts.has_proxy {
        return None;
    }
    let mut steps = Vec::new();
    if facts.password_is_default {
        steps.push("replace the default password with `pilotdeck user set-password admin`");
    }
    if !facts.has_agent_token {
        steps.push("set PM_AGENT_TOKEN to a long random text");
    }
    if steps.is_empty() {
        return None;
    }
    Some(format!(
        "others could reach this server: {} (or listen on 127.0.0.1 only)",
        steps.join(", and ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Facts = Facts {
        is_loopback: true,
        has_proxy: false,
        password_is_default: true,
        has_agent_token: false,
    };

    #[test]
    fn a_server_for_this_machine_may_be_open() {
        assert_eq!(objection(OPEN), None);
    }

    #[test]
    fn a_server_that_others_reach_needs_a_password_and_a_token() {
        for (is_loopback, has_proxy) in [(false, false), (true, true), (false, true)] {
            let reachable = Facts { is_loopback, has_proxy, ..OPEN };

            let both = objection(reachable).unwrap();
            assert!(
                both.contains("set-password")
                    && both.contains("PM_AGENT_TOKEN")
                    && !both.contains('\n')
            );
            assert!(objection(Facts { password_is_default: false, ..reachable }).is_some());
            assert!(objection(Facts { has_agent_token: true, ..reachable }).is_some());
            let closed = Facts { password_is_default: false, has_agent_token: true, ..reachable };
            assert_eq!(objection(closed), None);
        }
    }
}
