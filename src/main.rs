//! The binary `conversion-relay`: one program, its roles and tools are subcommands.

use std::process::ExitCode;

fn main() -> ExitCode {
    conversion_relay::app::main()
}
