use crate::*;
pub(crate) struct ClaudeCode;
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
impl Agent for ClaudeCode {
    fn name(&self) -> &'static str {
        "claude-code"
    }
    fn summary(&self) -> &'static str {
        "claude-code"
    }
    fn program(&self) -> &'static str {
        "claude"
    }
    fn credential(&self, _: CredentialKind) -> Option<Credential> {
        None
    }
    fn launch(&self, _: &Request<'_>) -> Launch {
        Launch {
            argv: vec!["claude".into()],
            prompt: PromptDelivery::File,
            ..Launch::default()
        }
    }
    fn reader(&self) -> Box<dyn Reader> {
        Box::new(R::default())
    }
    fn needs_ending(&self) -> bool {
        "claude-code" != "shell"
    }
}
