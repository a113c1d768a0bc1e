//! Every scenario on the embedded plane.

fn main() -> std::process::ExitCode {
    axon_e2e::suite::main(axon_e2e::plane::PlaneKind::Embedded)
}
