//! When two names of GitHub are the same: logins, labels and repositories know no upper and lower case.

/// Whether two logins are of the same user.
pub fn same_login(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// Whether `login` is among these.
pub fn is_among(logins: &[String], login: &str) -> bool {
    logins.iter().any(|other| same_login(other, login))
}

/// Whether two names of labels are of the same label.
fn same_label(left: &str, right: &str) -> bool {
    left == right || left.to_lowercase() == right.to_lowercase()
}

/// The first of `wanted` that is not among `labels`.
pub fn missing_label<'a>(labels: &[String], wanted: &'a [String]) -> Option<&'a str> {
    wanted
        .iter()
        .find(|wanted| !labels.iter().any(|label| same_label(label, wanted)))
        .map(String::as_str)
}

/// The first of `unwanted` that is among `labels`.
pub fn present_label<'a>(labels: &[String], unwanted: &'a [String]) -> Option<&'a str> {
    unwanted
        .iter()
        .find(|unwanted| labels.iter().any(|label| same_label(label, unwanted)))
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_and_lower_case_are_alike() {
        let labels = ["Bug".to_owned(), "ÄRGER".to_owned()];
        let wanted = ["bug".to_owned(), "ärger".to_owned()];
        assert_eq!(missing_label(&labels, &wanted), None);
        assert_eq!(present_label(&labels, &wanted), Some("bug"));
        assert!(same_login("Octocat", "octoCAT"));
        assert!(!same_login("octocat", "octocat[bot]"));
    }
}
