//! Has the Cap'n Proto compiler, `capnp` of the Debian package `capnproto`, generate what `src/capnp.rs` uses.

fn main() {
    let mut compiler = capnpc::CompilerCommand::new();
    if let Err(error) = compiler.src_prefix("src").file("src/bench.capnp").run() {
        eprintln!("{error}\nthe Debian package `capnproto` has the compiler");
        std::process::exit(1);
    }
}
