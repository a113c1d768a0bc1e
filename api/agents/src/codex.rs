use crate::*;
pub(crate) struct Codex;
#[derive(Default)]
struct R(Summary);
impl Reader for R {
    fn line(&mut self, _: &str) -> Vec<Event> {
        Vec::new()
    }
    fn summary(&self) -> Summary {
        self.0.clone()
    }
}
impl Agent for Codex {
    fn name(&self) -> &'static str {
        "codex"
    }
    fn summary(&self) -> &'static str {
        "codex"
    }
    fn program(&self) -> &'static str {
        "codex"
    }
    fn credential(&self, _: CredentialKind) -> Option<Credential> {
        None
    }
    fn launch(&self, _: &Request<'_>) -> Launch {
        Launch {
            argv: vec!["codex".into()],
            prompt: PromptDelivery::File,
            ..Launch::default()
        }
    }
    fn reader(&self) -> Box<dyn Reader> {
        Box::new(R::default())
    }
    fn needs_ending(&self) -> bool {
        "codex" != "shell"
    }
}
