//! Every scenario on a real cluster. `e2e/run` brings one up and calls this.

fn main() -> std::process::ExitCode {
    axon_e2e::suite::main(axon_e2e::plane::PlaneKind::Cluster)
}
