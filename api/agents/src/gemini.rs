use crate::*;
pub(crate) struct Gemini;
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
impl Agent for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }
    fn summary(&self) -> &'static str {
        "gemini"
    }
    fn program(&self) -> &'static str {
        "gemini"
    }
    fn credential(&self, _: CredentialKind) -> Option<Credential> {
        None
    }
    fn launch(&self, _: &Request<'_>) -> Launch {
        Launch {
            argv: vec!["gemini".into()],
            prompt: PromptDelivery::File,
            ..Launch::default()
        }
    }
    fn reader(&self) -> Box<dyn Reader> {
        Box::new(R::default())
    }
    fn needs_ending(&self) -> bool {
        "gemini" != "shell"
    }
}
