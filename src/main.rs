//! The binary `conversion-relay`: one program, its roles and tools are subcommands.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

// Messages are many small pieces that one thread makes and another drops: glibc's allocator spends a third of the worker's time over them.
// How it is set stands in .cargo/config.toml.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    conversion_relay::app::main()
}
