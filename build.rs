//! Generates the admin API from its proto file, with protox instead of an installed protoc.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);

    let admin = protox::compile(["proto/bluegreen/admin/v1/admin.proto"], ["proto"])?;
    // Server reflection (grpcurl) answers from this.
    std::fs::write(
        out.join("admin_descriptor.bin"),
        prost::Message::encode_to_vec(&admin),
    )?;
    tonic_prost_build::configure().compile_fds(admin)?;
    Ok(())
}
