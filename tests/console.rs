//! The console's commands as people run them: the binary, against a real RabbitMQ and a real Postgres.

#[path = "console/audit.rs"]
mod audit;
#[path = "console/check.rs"]
mod check;
#[path = "console/dead.rs"]
mod dead;
#[path = "console/doctor.rs"]
mod doctor;
#[path = "console/erased_letters.rs"]
mod erased_letters;
#[path = "console/explain.rs"]
mod explain;
#[path = "console/forget.rs"]
mod forget;
#[path = "console/forgotten.rs"]
mod forgotten;
#[path = "console/inbound.rs"]
mod inbound;
#[path = "console/publish.rs"]
mod publish;
#[path = "console/replay.rs"]
mod replay;
#[path = "console/resend.rs"]
mod resend;
#[path = "it/support/mod.rs"]
#[expect(
    dead_code,
    reason = "the support is shared with other test programs, and each uses a part of it"
)]
mod support;
#[path = "console/world.rs"]
mod world;
