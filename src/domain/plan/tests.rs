//! What the plan says for each way in which what is wanted and what stands can differ.

use super::*;
use crate::domain::{
    account::{AccountRules, Credential},
    directory::DirectoryParts,
    ids::AccountId,
    secret::SecretRef,
};

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn client(id: &str) -> Client {
    Client {
        id: ClientId::parse(id).unwrap(),
        name: id.to_uppercase(),
        country: None,
        currency: None,
        timezone: None,
        webhooks: Default::default(),
    }
}

fn login(name: &str) -> Login {
    Login {
        name: name.to_owned(),
        platform: Platform::Meta,
        credential: Credential::Token(SecretRef(format!("env:{}", name.to_uppercase()))),
        manager: None,
        app_secret: None,
        quota: None,
        revision: 1,
    }
}

fn account(name: &str, destination: &str) -> DesiredAccount {
    DesiredAccount {
        client: ClientId::parse("acme").unwrap(),
        name: name.to_owned(),
        platform: Platform::Meta,
        destination: destination.to_owned(),
        login: "agency".to_owned(),
        rules: AccountRules::default(),
    }
}

fn standing(id: i32, desired: &DesiredAccount) -> Account {
    Account {
        id: AccountId(id),
        client: desired.client.clone(),
        name: desired.name.clone(),
        platform: desired.platform,
        destination: desired.destination.clone(),
        login: desired.login.clone(),
        rules: desired.rules.clone(),
        removed: false,
    }
}

fn wanted(accounts: Vec<DesiredAccount>) -> DesiredDirectory {
    DesiredDirectory {
        clients: BTreeMap::from([(ClientId::parse("acme").unwrap(), client("acme"))]),
        logins: BTreeMap::from([("agency".to_owned(), login("agency"))]),
        accounts,
        ..DesiredDirectory::default()
    }
}

fn stands(accounts: Vec<Account>) -> Directory {
    Directory::new(DirectoryParts {
        clients: vec![client("acme")],
        logins: vec![login("agency")],
        accounts,
        ..DirectoryParts::default()
    })
}

fn changes(accounts: Vec<DesiredAccount>, current: Vec<Account>) -> Vec<Change> {
    plan(&wanted(accounts), &stands(current), Pruning::Keep, now()).changes
}

/// `+ client acme` and the like.
fn outline(changes: &[Change]) -> Vec<String> {
    let sign = |change: &Change| match change {
        Change::AddClient(_)
        | Change::AddLogin(_)
        | Change::AddAccount(_)
        | Change::AddMapping(..)
        | Change::AddInput(_) => "+",
        Change::ChangeClient { .. }
        | Change::ChangeLogin { .. }
        | Change::ChangeAccount { .. }
        | Change::ChangeMapping { .. }
        | Change::ChangeInput { .. } => "~",
        Change::ReviveAccount { .. } => "^",
        Change::RemoveClient(_)
        | Change::RemoveLogin(_)
        | Change::RemoveAccount { .. }
        | Change::RemoveMapping(_)
        | Change::RemoveInput(_) => "-",
    };
    let lines = changes
        .iter()
        .map(|change| format!("{} {}", sign(change), change.subject()));
    lines.collect()
}

#[test]
fn everything_is_added_to_an_empty_directory_in_an_order_that_works() {
    let desired = wanted(vec![account("meta", "1")]);

    let plan = plan(&desired, &Directory::default(), Pruning::Remove, now());

    assert_eq!(
        outline(&plan.changes),
        ["+ client acme", "+ login agency", "+ ad account acme/meta"]
    );
}

#[test]
fn what_stands_as_it_is_wanted_needs_no_change() {
    let meta = account("meta", "1");
    let current = stands(vec![Account {
        rules: AccountRules::default(),
        ..standing(1, &meta)
    }]);

    let plan = plan(&wanted(vec![meta]), &current, Pruning::Remove, now());

    assert_eq!(plan, Plan::default());
}

#[test]
fn a_changed_field_is_shown_with_what_it_was() {
    let mut to = account("meta", "1");
    to.rules.mode = Mode::Live;
    to.rules.look_back_days = Some(28);
    to.rules.events = Some(["Lead".to_owned(), "Purchase".to_owned()].into());

    let changes = changes(vec![to], vec![standing(1, &account("meta", "1"))]);

    let field = |name: &str, from: Option<&str>, to: &str| Field {
        name: name.to_owned(),
        from: from.map(str::to_owned),
        to: Some(to.to_owned()),
    };
    assert_eq!(
        changes[0].fields(),
        [
            field("events", None, "Lead, Purchase"),
            field("look_back", None, "28d"),
            field("mode", Some("shadow"), "live"),
        ]
    );
}

#[test]
fn nothing_is_removed_unless_it_is_asked_for() {
    let current = || stands(vec![standing(1, &account("meta", "1"))]);
    let nothing = DesiredDirectory::default();

    let kept = plan(&nothing, &current(), Pruning::Keep, now());
    let removed = plan(&nothing, &current(), Pruning::Remove, now());

    assert!(kept.changes.is_empty());
    assert_eq!(kept.kept, ["ad account acme/meta", "login agency", "client acme"]);
    assert_eq!(
        outline(&removed.changes),
        ["- ad account acme/meta", "- login agency", "- client acme"]
    );
}

#[test]
fn a_changed_destination_leaves_a_tombstone_and_makes_another_account_even_without_pruning() {
    let changes = changes(vec![account("meta", "2")], vec![standing(1, &account("meta", "1"))]);

    assert_eq!(outline(&changes), ["- ad account acme/meta", "+ ad account acme/meta"]);
    assert!(
        matches!(&changes[0], Change::RemoveAccount { account, why: Removal::Repointed } if account.id == AccountId(1))
    );
}

#[test]
fn a_destination_that_returns_is_revived_under_its_number() {
    let tombstone = Account {
        removed: true,
        ..standing(1, &account("meta", "1"))
    };
    let changes = changes(
        vec![account("meta", "1")],
        vec![tombstone, standing(2, &account("meta", "2"))],
    );

    assert_eq!(outline(&changes), ["- ad account acme/meta", "^ ad account acme/meta"]);
    assert!(matches!(&changes[1], Change::ReviveAccount { from, .. } if from.id == AccountId(1)));
}

#[test]
fn another_name_for_the_same_destination_is_a_change_and_not_another_account() {
    let changes = changes(vec![account("facebook", "1")], vec![standing(1, &account("meta", "1"))]);

    assert_eq!(outline(&changes), ["~ ad account acme/facebook"]);
    assert_eq!(changes[0].fields()[0].name, "name");
}

#[test]
fn two_accounts_may_swap_their_destinations() {
    let changes = changes(
        vec![account("one", "2"), account("other", "1")],
        vec![standing(1, &account("one", "1")), standing(2, &account("other", "2"))],
    );

    assert_eq!(outline(&changes), ["~ ad account acme/one", "~ ad account acme/other"]);
}

#[test]
fn a_login_that_is_read_anew_more_often_is_not_another_login() {
    let current = Directory::new(DirectoryParts {
        clients: vec![client("acme")],
        logins: vec![Login {
            revision: 7,
            ..login("agency")
        }],
        ..DirectoryParts::default()
    });

    assert_eq!(plan(&wanted(vec![]), &current, Pruning::Remove, now()), Plan::default());
}

#[test]
fn a_login_shows_where_its_secret_lies() {
    let to = Login {
        credential: Credential::Token(SecretRef("db:agency".to_owned())),
        ..login("agency")
    };
    let desired = DesiredDirectory {
        logins: BTreeMap::from([("agency".to_owned(), to)]),
        ..wanted(vec![])
    };

    let changes = plan(&desired, &stands(vec![]), Pruning::Keep, now()).changes;

    assert_eq!(outline(&changes), ["~ login agency"]);
    assert_eq!(changes[0].fields()[0].from.as_deref(), Some("env:AGENCY"));
    assert_eq!(changes[0].fields()[0].to.as_deref(), Some("db:agency"));
}

#[test]
fn a_test_begins_for_an_hour_goes_on_undisturbed_and_may_begin_again() {
    let mut to = account("meta", "1");
    to.rules.mode = Mode::Test;
    let until_of = |changes: &[Change]| match changes {
        [Change::ChangeAccount { to, .. }] => to.rules.test_until,
        other => panic!("{other:?}"),
    };
    let testing = |until: DateTime<Utc>| {
        let mut account = standing(1, &to);
        account.rules.test_until = Some(until);
        account
    };

    let begun = changes(vec![to.clone()], vec![standing(1, &account("meta", "1"))]);
    let going_on = changes(vec![to.clone()], vec![testing(now() + TimeDelta::minutes(5))]);
    let ended = changes(vec![to.clone()], vec![testing(now() - TimeDelta::minutes(5))]);

    let in_an_hour = Some(now() + TimeDelta::minutes(60));
    assert_eq!(until_of(&begun), in_an_hour);
    assert!(going_on.is_empty(), "{going_on:?}");
    assert_eq!(until_of(&ended), in_an_hour);
}

#[test]
fn the_end_of_a_test_goes_with_it() {
    let mut from = standing(1, &account("meta", "1"));
    from.rules.mode = Mode::Test;
    from.rules.test_until = Some(now());

    let changes = changes(vec![account("meta", "1")], vec![from]);

    assert!(matches!(&changes[0], Change::ChangeAccount { to, .. } if to.rules.test_until.is_none()));
}

/// What stands once the mappings and inputs of a wish are done.
fn with_inputs(desired: &DesiredDirectory) -> Directory {
    Directory::new(DirectoryParts {
        clients: desired.clients.values().cloned().collect(),
        logins: desired.logins.values().cloned().collect(),
        mappings: desired.mappings.clone().into_iter().collect(),
        inputs: desired.inputs.values().cloned().collect(),
        ..DirectoryParts::default()
    })
}

fn wanted_with_inputs() -> DesiredDirectory {
    let input = Input {
        name: "crm".to_owned(),
        queue: "crm.deals".to_owned(),
        mapping: "crm".to_owned(),
        client: Some(ClientId::parse("acme").unwrap()),
    };
    let mapping = Mapping {
        each: Some("/items".to_owned()),
        ..Mapping::default()
    };
    DesiredDirectory {
        mappings: BTreeMap::from([("crm".to_owned(), mapping)]),
        inputs: BTreeMap::from([("crm".to_owned(), input)]),
        ..wanted(Vec::new())
    }
}

#[test]
fn mappings_and_inputs_are_added_once() {
    let desired = wanted_with_inputs();

    let first = plan(&desired, &Directory::default(), Pruning::Keep, now());
    let again = plan(&desired, &with_inputs(&desired), Pruning::Remove, now());

    assert_eq!(
        outline(&first.changes),
        ["+ mapping crm", "+ client acme", "+ login agency", "+ input crm"]
    );
    assert_eq!(again, Plan::default());
}

#[test]
fn a_changed_mapping_and_a_changed_input_say_what_changes() {
    let standing = with_inputs(&wanted_with_inputs());
    let mut desired = wanted_with_inputs();
    desired.mappings.get_mut("crm").unwrap().each = None;
    desired.inputs.get_mut("crm").unwrap().queue = "crm.sales".to_owned();

    let changes = plan(&desired, &standing, Pruning::Keep, now()).changes;

    let fields: Vec<Field> = changes.iter().flat_map(Change::fields).collect();
    let field = |name: &str, from: &str, to: Option<&str>| Field {
        name: name.to_owned(),
        from: Some(from.to_owned()),
        to: to.map(str::to_owned),
    };
    assert_eq!(outline(&changes), ["~ mapping crm", "~ input crm"]);
    assert_eq!(
        fields,
        [
            field("each", "\"/items\"", None),
            field("queue", "crm.deals", Some("crm.sales"))
        ]
    );
}

#[test]
fn mappings_and_inputs_that_are_not_wanted_stay_until_they_are_pruned() {
    let standing = with_inputs(&wanted_with_inputs());
    let desired = wanted(Vec::new());

    let kept = plan(&desired, &standing, Pruning::Keep, now());
    let pruned = plan(&desired, &standing, Pruning::Remove, now());

    assert_eq!(kept.changes, []);
    assert_eq!(kept.kept, ["input crm", "mapping crm"]);
    assert_eq!(outline(&pruned.changes), ["- input crm", "- mapping crm"]);
}

#[test]
fn a_client_s_webhooks_are_shown_field_by_field() {
    use crate::domain::webhook::{Signature, WebhookSource};

    let mut desired = wanted(Vec::new());
    let source = WebhookSource {
        mapping: Some("crm".to_owned()),
        signature: Signature::Hmac("x-signature".to_owned()),
        secret: SecretRef("env:CRM".to_owned()),
        verify_token: None,
    };
    let acme = desired.clients.values_mut().next().unwrap();
    acme.webhooks.insert("crm".to_owned(), source);

    let changes = plan(&desired, &stands(Vec::new()), Pruning::Keep, now()).changes;

    let fields = changes[0].fields();
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(outline(&changes), ["~ client acme"]);
    assert_eq!(
        names,
        [
            "webhooks.crm.header",
            "webhooks.crm.mapping",
            "webhooks.crm.secret",
            "webhooks.crm.signature"
        ]
    );
}
