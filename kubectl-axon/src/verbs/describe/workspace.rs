//! The description of a Workspace.

use axon_api::Workspace;

use super::page::Page;

pub(super) fn text(workspace: &Workspace) -> String {
    let spec = &workspace.spec;
    let mut page = Page::default();
    page.head(&workspace.metadata);
    page.line("Repository", &spec.repo);
    page.line_if("Ref", spec.ref_.as_ref());
    page.line_if("Commit", spec.commit.as_ref());
    page.line_if("Secret", spec.secret_ref.as_ref().map(|secret| &secret.name));
    page.line_if(
        "Clone Secret",
        spec.clone_secret_ref.as_ref().map(|secret| &secret.name),
    );
    page.list(
        "Remotes",
        spec.remotes
            .iter()
            .map(|remote| format!("{} {}", remote.name, remote.url)),
    );
    page.line_if(
        "Setup Command",
        (!spec.setup_command.is_empty()).then(|| spec.setup_command.join(" ")),
    );
    if let Some(clone) = &spec.clone {
        let options = [
            clone.depth.map(|depth| format!("depth {depth}")),
            clone.filter.clone(),
            (clone.submodules == Some(true)).then(|| "submodules".to_owned()),
            (clone.lfs == Some(true)).then(|| "LFS".to_owned()),
        ];
        let options: Vec<String> = options.into_iter().flatten().collect();
        page.line_if("Clone", (!options.is_empty()).then(|| options.join(", ")));
    }
    if let Some(worktree) = &spec.worktree {
        let source = worktree
            .source_branch
            .as_ref()
            .map(|source| format!(" from {source}"))
            .unwrap_or_default();
        page.line("Worktree", format!("{}{source}", worktree.branch));
    }
    if let Some(storage) = &spec.storage {
        page.line("Storage", storage_text(storage));
    }
    page.list("Files", spec.files.iter().map(|file| file.path.clone()));
    page.0
}

/// A volume in a few words.
pub(super) fn storage_text(storage: &axon_api::kinds::storage::Storage) -> String {
    let scope = format!("{:?}", storage.scope.unwrap_or_default());
    let parts = [
        Some(storage.size.clone().unwrap_or_else(|| "10Gi".to_owned())),
        storage
            .class_name
            .as_ref()
            .map(|class| format!("StorageClass {class}")),
        storage.access_mode.map(|mode| mode.as_str().to_owned()),
        Some(format!("one per {scope}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_workspace_is_described() {
        let workspace: Workspace = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Workspace",
            "metadata": {"name": "w", "namespace": "n"},
            "spec": {
                "repo": "https://h/r", "secretRef": {"name": "s"},
                "remotes": [{"name": "upstream", "url": "https://h/u"}],
                "setupCommand": ["npm", "ci"], "clone": {"depth": 1, "lfs": true},
                "worktree": {"branch": "b", "sourceBranch": "main"},
                "storage": {"size": "5Gi", "className": "fast", "scope": "Workspace"},
                "files": [{"path": "a", "content": "x"}, {"path": "b", "content": "y"}],
            },
        }))
        .expect("a workspace");
        assert_eq!(
            text(&workspace),
            "\
Name:               w
Namespace:          n
Labels:             <none>
Annotations:        <none>
Repository:         https://h/r
Secret:             s
Remotes:            upstream https://h/u
Setup Command:      npm ci
Clone:              depth 1, LFS
Worktree:           b from main
Storage:            5Gi, StorageClass fast, one per Workspace
Files:              a
                    b
"
        );
    }
}
