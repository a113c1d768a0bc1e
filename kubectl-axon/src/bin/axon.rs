//! `axon`: the same program without kubectl in front.

fn main() -> std::process::ExitCode {
    kubectl_axon::main()
}
