//! The worst mistakes, with the signals of the sensor.

use maud::{Markup, html};
use triax_study::Mistake;

use crate::report::charts::{CHANNELS, signals};
use crate::report::numbers::{decimals, name};
use crate::report::page;

/// The section with the mistakes, each with its class and its prediction; nothing without mistakes.
pub fn section(mistakes: &[Mistake], class_names: &[String], rate_hz: Option<f64>, whose: &str) -> Markup {
    let class_name =
        |class: usize| class_names.get(class).map_or_else(|| "an unknown class".to_owned(), |one| name(one));
    let body = html! {
        (key(mistakes))
        div.grid.thirds {
            @for mistake in mistakes {
                @let (done, taken) = (class_name(mistake.label), class_name(mistake.prediction));
                @let subject = if mistake.subject.is_empty() { "unknown".to_owned() } else { name(&mistake.subject) };
                figure {
                    (signals::chart(mistake, rate_hz, &format!("A window of {done} that was taken for {taken}")))
                    figcaption {
                        strong { (done) } " taken for " strong { (taken) }
                        span.where { "subject " (subject) " · by " (decimals(mistake.margin, 2)) }
                        span.where { (name(&mistake.source)) }
                    }
                }
            }
        }
    };
    let lead = format!(
        "Windows that {whose} was most wrong about, at most one of a recording: by how much the score of its answer exceeds \
         that of the truth. Values are as the sensor gave them."
    );
    html! { @if !mistakes.is_empty() { (page::section("Most wrong", lead, &body)) } }
}

/// The colour of each channel.
fn key(mistakes: &[Mistake]) -> Markup {
    let channels = mistakes.first().map(|mistake| mistake.channels.as_slice()).unwrap_or_default();
    html! {
        p.key {
            @for (channel, channel_name) in channels.iter().enumerate().take(signals::MOST_CHANNELS) {
                span { i style={ "--key:" (CHANNELS[channel % CHANNELS.len()].css()) } {} (name(channel_name)) }
            }
            @if channels.len() > signals::MOST_CHANNELS {
                span { "and " (channels.len() - signals::MOST_CHANNELS) " channels that are not drawn" }
            }
        }
    }
}
