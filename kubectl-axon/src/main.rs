//! `kubectl axon`.

fn main() -> std::process::ExitCode {
    kubectl_axon::main()
}
