//! Where the log goes: readable on a terminal, with priorities under systemd, as JSON on request.

use super::config::{Log, LogFormat};
use std::fmt;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Installs the log for the whole process; a second call changes nothing.
pub fn install(log: &Log) {
    let level = log.level.as_deref().unwrap_or("info");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let under_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let _ = match log.format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text if under_journal => {
            builder.with_ansi(false).event_format(Journal).try_init()
        }
        LogFormat::Text => {
            let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
            builder.with_target(false).with_ansi(color).try_init()
        }
    };
}

/// `<4>message field=value`: journald reads the priority, and stamps the time itself
/// (`sd-daemon(3)`).
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(to, "<{priority}>")?;
        context.format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}
