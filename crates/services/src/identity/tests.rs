//! What cannot be seen from outside: how much work a refusal is.

use pilotdeck_domain::clock::Clock;
use pilotdeck_storage::{Durability, OpenOptions, machine_time_zone, open};

use super::*;
use crate::Services;

#[tokio::test]
async fn refusing_a_sign_in_takes_the_same_work_whoever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::default();
    let options = OpenOptions {
        path: &folder.path().join("pm.db"),
        durability: Durability::Process,
        clock: &clock,
        local_time: &machine_time_zone,
    };
    let (database, _) = open(options).await.unwrap();
    let identity = Services::new(database, clock).identity;
    identity.ensure_somebody().await.unwrap();
    let add = async |name: &str| {
        let user = CreateUser {
            username: pilotdeck_domain::identity::Username::parse("username", name).unwrap(),
            password: NewPassword::parse("password", "a long password").unwrap(),
            role: Role::Member,
            full_name: None,
            email: None,
        };
        identity.create_user(&Actor::system(), user).await.unwrap().id
    };
    add("ada").await;
    let disabled = add("bob").await;
    let patch =
        pilotdeck_domain::identity::UserPatch { is_active: Some(false), ..Default::default() };
    identity.change_user(&Actor::system(), disabled.as_str(), patch).await.unwrap();

    let mut work = Vec::new();
    for (username, password) in
        [("ada", "wrong"), ("nobody", "wrong"), ("bob", "wrong"), ("bob", "a long password")]
    {
        let before = identity.passwords.computed();
        let sign_in = SignIn { username, password, code: None, from: Origin::default() };
        let refused = identity.sign_in(&Actor::default(), sign_in).await;

        assert!(matches!(refused, Err(Error::WrongCredentials)), "{username}");
        work.push(identity.passwords.computed() - before);
    }

    assert_eq!(work, [1; 4]);
}
