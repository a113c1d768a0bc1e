use crate::*;
pub(crate) struct OpenCode;
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
impl Agent for OpenCode {
    fn name(&self) -> &'static str {
        "opencode"
    }
    fn summary(&self) -> &'static str {
        "opencode"
    }
    fn program(&self) -> &'static str {
        "opencode"
    }
    fn credential(&self, _: CredentialKind) -> Option<Credential> {
        None
    }
    fn launch(&self, _: &Request<'_>) -> Launch {
        Launch {
            argv: vec!["opencode".into()],
            prompt: PromptDelivery::File,
            ..Launch::default()
        }
    }
    fn reader(&self) -> Box<dyn Reader> {
        Box::new(R::default())
    }
    fn needs_ending(&self) -> bool {
        "opencode" != "shell"
    }
}
