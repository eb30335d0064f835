//! The one prompt: have a model say on whose behalf it is calling.

use rmcp::ErrorData;
use rmcp::model::{GetPromptRequestParams, GetPromptResult, Prompt, PromptArgument, PromptMessage, Role};

const NAME: &str = "introduce";
const DESCRIPTION: &str = "Asks the model to find out who it is calling as, and to tell somebody.";

/// How the prompt is listed.
pub(crate) fn prompt() -> Prompt {
    let name = PromptArgument::new("name")
        .with_title("Name")
        .with_description("Whom to tell.")
        .with_required(true);
    Prompt::new(NAME, Some(DESCRIPTION), Some(vec![name])).with_title("Introduce yourself")
}

/// Fills in the prompt.
pub(crate) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if request.name != NAME {
        return Err(ErrorData::invalid_params(
            format!("there is no such prompt here; the only one is {NAME}"),
            None,
        ));
    }
    let arguments = request.arguments.as_ref();
    let Some(name) = arguments.and_then(|arguments| arguments.get("name")?.as_str()) else {
        return Err(ErrorData::invalid_params(
            "the prompt introduce needs its argument name, a text",
            None,
        ));
    };
    let text = format!(
        "Call the tool whoami of the sample server. Then tell {name}, in two or three sentences, who you are \
         calling as, through which client and with which scopes, and whether your own access token stayed \
         at the front door."
    );
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).with_description(DESCRIPTION))
}
