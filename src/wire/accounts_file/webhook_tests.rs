//! What the files may say about webhooks, mappings and inputs, and what is said about mistakes.

use super::*;
use crate::domain::{
    ClientId,
    account::SecretRef,
    mapping::{Conversion, Source, Test, Unit},
    webhook::{Signature, WebhookSource},
};

fn files(text: &str) -> [SourceFile; 1] {
    [SourceFile {
        name: "a.toml".to_owned(),
        text: text.to_owned(),
    }]
}

fn read(text: &str) -> DesiredDirectory {
    parse(&files(text)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn mistakes(text: &str) -> Vec<String> {
    let AccountsFileErrors(errors) = parse(&files(text)).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

fn webhooks(text: &str) -> BTreeMap<String, WebhookSource> {
    let mut desired = read(text);
    desired
        .clients
        .remove(&ClientId::parse("acme").unwrap())
        .unwrap()
        .webhooks
}

const MINIMAL: &str = "fields = { event_id = '/id', event_name = { constant = 'Lead' } }";

#[test]
fn a_source_of_webhooks_is_signed_as_its_name_says_unless_said_otherwise() {
    let webhooks = webhooks(
        "[client.acme.webhooks.whatsapp]
        secret = 'env:APP'
        verify_token = 'env:VERIFY'
        [client.acme.webhooks.shopify]
        secret = 'file:/run/secrets/shopify'
        [client.acme.webhooks.stripe-eu]
        secret = 'env:STRIPE'
        signature = 'stripe'
        mapping = 'stripe'
        [client.acme.webhooks.generic]
        secret = 'env:FORM'
        [client.acme.webhooks.crm]
        secret = 'env:CRM'
        header = 'X-Crm-Signature'
        mapping = 'generic'",
    );

    let signatures: Vec<(&str, &Signature)> = webhooks
        .iter()
        .map(|(name, hook)| (name.as_str(), &hook.signature))
        .collect();
    let hmac = |header: &str| Signature::Hmac(header.to_owned());
    assert_eq!(
        signatures,
        [
            ("crm", &hmac("x-crm-signature")),
            ("generic", &hmac("x-signature")),
            ("shopify", &Signature::Shopify),
            ("stripe-eu", &Signature::Stripe),
            ("whatsapp", &Signature::Meta),
        ]
    );
    assert_eq!(
        webhooks["whatsapp"].verify_token,
        Some(SecretRef("env:VERIFY".to_owned()))
    );
    assert_eq!(webhooks["stripe-eu"].mapping.as_deref(), Some("stripe"));
}

#[test]
fn a_client_s_webhooks_are_no_ad_account() {
    let desired = read("[client.acme.webhooks.shopify]\nsecret = 'env:A'");

    assert!(desired.accounts.is_empty());
}

#[test]
fn all_mistakes_of_webhooks_are_said_at_once_with_their_places() {
    let text = "[client.acme.webhooks.whatsapp]
mapping = 'generic'
[client.acme.webhooks.shopify]
secret = 'env:A'
header = 'x-signature'
verify_token = 'env:B'
[client.acme.webhooks.stripe]
secret = 'whsec_EAABsbCS1iHgBAOZC9'
signature = 'strip'
[client.acme.webhooks.crm]
secret = 'env:A'
[client.acme.webhooks.form]
secret = 'env:A'
mapping = 'generik'
secrt = 1
";

    let mistakes = mistakes(text);

    assert_eq!(
        mistakes,
        [
            "a.toml:1: client.acme.webhooks.whatsapp: needs secret: what its webhooks are signed with",
            "a.toml:2: client.acme.webhooks.whatsapp.mapping: is for other sources; WhatsApp's webhooks are read without one",
            "a.toml:3: client.acme.webhooks.shopify: header is for signature = \"hmac\"; the others have a header of their own",
            "a.toml:6: client.acme.webhooks.shopify.verify_token: is for whatsapp, whose handshake needs it",
            "a.toml:8: client.acme.webhooks.stripe.secret: must say where the secret lies: env:NAME, file:/path, vault:mount/path#field or \
             db:name (what stands there is not shown, for it may be a secret)",
            "a.toml:9: client.acme.webhooks.stripe.signature: must be \"meta\", \"shopify\", \"stripe\", \"hubspot\", \"hmac\"; did you mean \"stripe\"?",
            "a.toml:10: client.acme.webhooks.crm: no mapping is called \"crm\": define [mapping.crm], or say mapping = one of generic, hubspot, \
             shopify, stripe",
            "a.toml:12: client.acme.webhooks.form: no mapping is called \"generik\"; did you mean \"generic\"?",
            "a.toml:15: client.acme.webhooks.form.secrt: is not known here; did you mean \"secret\"?",
        ],
        "{mistakes:#?}"
    );
}

#[test]
fn a_mapping_says_what_it_means() {
    let desired = read(
        "[mapping.crm]
        client = '/shop'
        each = '/items'
        [[mapping.crm.event]]
        when = [{ pointer = '/type', is = ['won', 7, true] }, { header = 'X-Topic', is_not = 'test' }]
        [mapping.crm.event.fields]
        event_id = '/id'
        event_name = { constant = 'Purchase' }
        value = { pointer = '/cents', as = 'minor_units', currency = '/currency', required = true }
        user.email = [{ first = ['/a', '/b'] }, '/c']
        'click.gclid' = { pointer = '/notes', find = { name = 'gclid' }, take = '/value' }
        contents = { each = '/lines', id = '/sku' }",
    );

    let mapping = &desired.mappings["crm"];
    let event = &mapping.events[0];
    assert_eq!(mapping.each.as_deref(), Some("/items"));
    assert_eq!(
        event.when[0].test,
        Test::Is(vec!["won".to_owned(), "7".to_owned(), "true".to_owned()])
    );
    assert_eq!(event.when[1].source, Source::Header("x-topic".to_owned()));
    let value = &event.fields["value"];
    assert_eq!(
        value.conversion,
        Some(Conversion::MinorUnits(Unit::CurrencyAt("/currency".to_owned())))
    );
    assert!(value.required);
    let email = &event.fields["user.email"];
    assert_eq!(email.source, Source::Pointers(vec!["/a".to_owned(), "/b".to_owned()]));
    assert_eq!(
        email.otherwise.as_ref().unwrap().source,
        Source::Pointers(vec!["/c".to_owned()])
    );
    assert_eq!(event.fields["click.gclid"].find.as_ref().unwrap().take, "/value");
    assert_eq!(event.contents.as_ref().unwrap().each, "/lines");
}

#[test]
fn all_mistakes_of_a_mapping_are_said_at_once_with_their_places() {
    let text = "[mapping.whatsapp]
[mapping.a]
each = 'items'
[[mapping.a.event]]
when = [{ pointer = '/type' }, { is = 'x' }]
[mapping.a.event.fields]
event_name = 'Purchase'
user.emial = '/email'
client_id = '/client'
value = { pointer = '/v', as = 'minor_units' }
currency = { pointer = '/c', as = 'cents' }
order_id = { pointer = '/o', constant = 'x' }
'click.gclid' = { pointer = '/n', find = { name = 'gclid' } }
source_url = { pointer = '/s', optional = true }
referrer_url = 7
contents = { id = '/id' }
[[mapping.a.event]]
";

    let mistakes = mistakes(text);

    let places: Vec<&str> = mistakes
        .iter()
        .map(|line| line.split(':').nth(2).unwrap().trim())
        .collect();
    assert_eq!(
        places,
        [
            "mapping.whatsapp",
            "mapping.whatsapp",
            "mapping.a.each",
            "mapping.a.event[0].when[0]",
            "mapping.a.event[0].when[1]",
            "mapping.a.event[0].fields",
            "mapping.a.event[0].fields",
            "mapping.a.event[0].fields.event_name",
            "mapping.a.event[0].fields.user.emial",
            "mapping.a.event[0].fields.client_id",
            "mapping.a.event[0].fields.value",
            "mapping.a.event[0].fields.currency.as",
            "mapping.a.event[0].fields.order_id",
            "mapping.a.event[0].fields.click.gclid",
            "mapping.a.event[0].fields.source_url.optional",
            "mapping.a.event[0].fields.referrer_url",
            "mapping.a.event[0].fields.contents",
            "mapping.a.event[1]",
        ],
        "{mistakes:#?}"
    );
    let all = mistakes.join("\n");
    for part in [
        "did you mean \"user.email\"?",
        "is said above the events: client = \"/…\"",
        "a fixed value is { constant = \"…\" }",
        "needs event_id, by which a repetition is recognised",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
}

#[test]
fn an_input_names_queue_mapping_and_client() {
    let desired = read(&format!(
        "[client.acme]
        [input.crm]
        queue = 'crm.deals'
        mapping = 'crm'
        client = 'acme'
        [input.chats]
        queue = 'raw-whatsapp'
        mapping = 'whatsapp'
        [mapping.crm]
        [[mapping.crm.event]]
        {MINIMAL}"
    ));

    let crm = &desired.inputs["crm"];
    assert_eq!((crm.queue.as_str(), crm.mapping.as_str()), ("crm.deals", "crm"));
    assert_eq!(crm.client.as_ref().unwrap().as_str(), "acme");
    assert_eq!(desired.inputs["chats"].client, None);
}

#[test]
fn all_mistakes_of_inputs_are_said_at_once_with_their_places() {
    let mistakes = mistakes(
        "[input.a]
queue = 'deals'
mapping = 'shopfy'
client = 'nobody'
[input.b]
queue = 'deals'
mapping = 'shopify'
[input.c]
queue = 'amq.gen-x'
",
    );

    assert_eq!(
        mistakes,
        [
            "a.toml:1: input.a: its client is not defined in these files; a folder is applied whole",
            "a.toml:1: input.a: no mapping is called \"shopfy\"; did you mean \"shopify\"?",
            "a.toml:5: input.b: has the same queue as input.a",
            "a.toml:8: input.c: needs mapping: how its messages become events",
            "a.toml:9: input.c.queue: must be the name of a queue: at most 255 bytes, and not beginning with amq.",
        ]
    );
}

#[test]
fn a_mapping_or_input_that_is_defined_twice_is_a_mistake() {
    let one = format!("[mapping.x]\n[[mapping.x.event]]\n{MINIMAL}\n[input.x]\nqueue = 'q'\nmapping = 'x'\n");
    let both = ["a.toml", "b.toml"].map(|name| SourceFile {
        name: name.to_owned(),
        text: one.clone(),
    });

    let AccountsFileErrors(errors) = parse(&both).unwrap_err();

    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "b.toml:1: mapping.x: is defined twice, the first time in a.toml:1",
            "b.toml:4: input.x: is defined twice, the first time in a.toml:4",
        ]
    );
}

#[test]
fn what_a_plan_shows_of_a_rule_can_be_read_as_a_rule() {
    use crate::wire::webhook::builtin::{NAMES, builtin};

    for name in NAMES {
        let mapping = builtin(name).unwrap();
        for event in &mapping.events {
            let when: Vec<String> = event.when.iter().map(ToString::to_string).collect();
            let mut text = format!(
                "[[mapping.x.event]]\nwhen = [{}]\n[mapping.x.event.fields]\n",
                when.join(", ")
            );
            for (path, rule) in &event.fields {
                text.push_str(&format!("'{path}' = {rule}\n"));
            }
            text.extend(event.contents.iter().map(|contents| format!("contents = {contents}\n")));

            assert_eq!(
                read(&text).mappings["x"].events.as_slice(),
                std::slice::from_ref(event),
                "{text}"
            );
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_mapping_makes_the_reader_panic(text in "(\\[\\[?(mapping|input)(\\.[a-z]{1,3}){0,2}(\\.event)?\\]?\\]\n|(when|fields|each|event_id|value|contents) = ('/[a-z~]{0,3}'|\\[\\]|\\{\\}|\\[1\\]|\\[\\{ pointer = '/a', is = 1.5 \\}\\]|\\{ first = \\['/a'\\], as = 'date_time' \\})\n){0,8}") {
        let _ = parse(&files(&text));
    }
}
