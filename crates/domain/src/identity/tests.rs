use super::*;

fn person(role: Role) -> Person {
    let memberships =
        [("ours".to_owned(), ProjectRole::Editor), ("seen".to_owned(), ProjectRole::Viewer)];
    Person {
        id: UserId::stored("u1"),
        username: "ada".into(),
        role,
        memberships: Memberships::new(memberships.into()),
    }
}

fn signed_in(role: Role) -> Actor {
    Actor::new(vec![Principal::Person(person(role))], None)
}

fn key(role: Role, scopes: &[Scope], project: Option<&str>) -> Actor {
    let key = ApiKey {
        id: KeyId::stored("k1"),
        name: "deploys".to_owned(),
        scopes: scopes.to_vec(),
        project: project.map(str::to_owned),
        owner: person(role),
    };
    Actor::new(vec![Principal::Key(Box::new(key))], None)
}

#[test]
fn a_change_is_recorded_in_the_name_of_the_first_principal_that_may() {
    let person = Principal::Person(person(Role::Member));
    let actor = Actor::new(vec![person, Principal::Agent, Principal::Administrator], None);

    let kind = |permission, project| actor.require_in(permission, project).unwrap().kind;
    assert_eq!(kind(Permission::WriteProjects, Some("ours")), ActorKind::Person);
    assert_eq!(kind(Permission::WriteProjects, Some("theirs")), ActorKind::Agent);
    assert_eq!(kind(Permission::Administer, None), ActorKind::Administrator);
}

#[test]
fn people_operate_the_installation_in_the_role_admin_alone() {
    for role in [Role::Viewer, Role::Member] {
        assert_eq!(signed_in(role).require(Permission::Administer), Err(Denied::Forbidden));
    }
    assert!(signed_in(Role::Admin).require(Permission::Administer).is_ok());
}

#[test]
fn strangers_are_asked_to_sign_in_and_small_credentials_are_refused() {
    let stranger = Actor::default();
    let agent = Actor::new(vec![Principal::Agent], None);

    assert_eq!(stranger.require(Permission::ReadProjects), Err(Denied::Unauthenticated));
    assert_eq!(agent.require(Permission::ReadLedger), Err(Denied::Forbidden));
    assert!(stranger.require(Permission::Public).is_ok());
}

#[test]
fn a_project_that_a_person_is_no_member_of_does_not_exist_for_them() {
    let member = signed_in(Role::Member);
    let may = |permission, project| member.require_in(permission, project).map(|_| ());

    assert_eq!(may(Permission::WriteProjects, Some("ours")), Ok(()));
    assert_eq!(may(Permission::DeleteProjects, Some("ours")), Err(Denied::Forbidden));
    assert_eq!(may(Permission::WriteProjects, Some("seen")), Err(Denied::Forbidden));
    assert_eq!(may(Permission::ReadProjects, Some("seen")), Ok(()));
    for hidden in [Some("theirs"), Some("OURS"), Some(""), None] {
        assert_eq!(may(Permission::ReadProjects, hidden), Err(Denied::Hidden), "{hidden:?}");
        assert_eq!(may(Permission::WriteProjects, hidden), Err(Denied::Hidden), "{hidden:?}");
    }
}

#[test]
fn a_viewer_changes_nothing_whatever_they_are_in_a_project() {
    let viewer = signed_in(Role::Viewer);

    let changed = viewer.require_in(Permission::WriteProjects, Some("ours"));
    assert_eq!(changed, Err(Denied::Forbidden));
    assert!(viewer.require_in(Permission::ReadProjects, Some("ours")).is_ok());
}

#[test]
fn an_administrator_reaches_everything_and_a_member_their_projects() {
    let reach = |role| signed_in(role).reach(Permission::WriteProjects).unwrap();

    assert_eq!(reach(Role::Admin), Reach::Everything);
    assert_eq!(reach(Role::Member).ids(), Some(vec!["ours"]));
}

#[test]
fn a_key_may_do_no_more_than_its_owner_its_scopes_and_its_project() {
    let may = |actor: &Actor, permission, project| actor.require_in(permission, project).is_ok();

    let reads = key(Role::Admin, &[Scope::Read], None);
    assert!(may(&reads, Permission::ReadProjects, Some("theirs")));
    assert!(!may(&reads, Permission::WriteProjects, Some("ours")));
    let bound = key(Role::Admin, &[Scope::Read, Scope::Write, Scope::Admin], Some("ours"));
    assert!(may(&bound, Permission::DeleteProjects, Some("ours")));
    assert!(!may(&bound, Permission::ReadProjects, Some("theirs")));
    for outside in [Permission::CreateProjects, Permission::Administer, Permission::OwnAccount] {
        assert_eq!(bound.require(outside), Err(Denied::Forbidden), "{outside:?}");
    }
    let small = key(Role::Member, &[Scope::Write, Scope::Admin], None);
    assert!(may(&small, Permission::WriteProjects, Some("ours")));
    assert!(!may(&small, Permission::Administer, None));
    let ingests = key(Role::Member, &[Scope::Ingest], None);
    assert!(may(&ingests, Permission::RecordUsage, Some("ours")));
    assert!(!may(&ingests, Permission::WriteAgents, Some("ours")));
}
