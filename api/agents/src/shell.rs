use crate::*;
pub(crate) struct Shell;
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
impl Agent for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }
    fn summary(&self) -> &'static str {
        "shell"
    }
    fn program(&self) -> &'static str {
        "sh"
    }
    fn credential(&self, _: CredentialKind) -> Option<Credential> {
        None
    }
    fn launch(&self, _: &Request<'_>) -> Launch {
        Launch {
            argv: vec!["sh".into()],
            prompt: PromptDelivery::File,
            ..Launch::default()
        }
    }
    fn reader(&self) -> Box<dyn Reader> {
        Box::new(R::default())
    }
    fn needs_ending(&self) -> bool {
        "shell" != "shell"
    }
}
