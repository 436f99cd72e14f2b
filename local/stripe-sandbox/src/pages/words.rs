//! The pages' two languages.

use axum::http::HeaderMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::objects::catalogue::amount_text;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Language {
    Portuguese,
    English,
}

use Language::{English, Portuguese};

impl Language {
    /// By the object's locale, else by what the browser asks for.
    pub fn choose(locale: Option<&str>, headers: &HeaderMap) -> Self {
        let asked = headers.get("accept-language").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let wanted = match locale {
            None | Some("auto") => asked,
            Some(locale) => locale,
        };
        if wanted.to_lowercase().starts_with("pt") { Portuguese } else { English }
    }

    pub fn tag(self) -> &'static str {
        self.pick("pt-BR", "en")
    }

    /// One of two texts.
    pub fn pick(self, portuguese: &'static str, english: &'static str) -> &'static str {
        match self {
            Portuguese => portuguese,
            English => english,
        }
    }

    pub fn money(self, amount_minor: i64, currency: &str) -> String {
        let text = amount_text(amount_minor, currency);
        if self == Portuguese { text.replace('.', ",") } else { text }
    }

    /// `24/11/2026` or `Nov 24, 2026`.
    pub fn date(self, at: i64) -> String {
        let Ok(time) = Timestamp::from_second(at) else {
            return String::new();
        };
        let day = time.to_zoned_datetime(TimeZone::UTC);
        day.strftime(self.pick("%d/%m/%Y", "%b %-d, %Y")).to_string()
    }

    pub fn every(self, interval: &str) -> &'static str {
        match interval {
            "day" => self.pick("por dia", "per day"),
            "week" => self.pick("por semana", "per week"),
            "year" => self.pick("por ano", "per year"),
            _ => self.pick("por mês", "per month"),
        }
    }

    pub fn status(self, status: &str) -> &'static str {
        match status {
            "trialing" => self.pick("Em teste", "Trialing"),
            "active" => self.pick("Ativa", "Active"),
            "past_due" => self.pick("Pagamento atrasado", "Past due"),
            "unpaid" => self.pick("Não paga", "Unpaid"),
            "incomplete" => self.pick("Incompleta", "Incomplete"),
            "incomplete_expired" => self.pick("Expirada", "Expired"),
            "paused" => self.pick("Pausada", "Paused"),
            "paid" => self.pick("Paga", "Paid"),
            "open" => self.pick("Em aberto", "Open"),
            "draft" => self.pick("Rascunho", "Draft"),
            "void" => self.pick("Anulada", "Void"),
            _ => self.pick("Cancelada", "Canceled"),
        }
    }

    /// What a decline means, by its code.
    pub fn decline(self, code: &str) -> &'static str {
        match code {
            "insufficient_funds" => {
                self.pick("Seu cartão não tem saldo suficiente.", "Your card has insufficient funds.")
            }
            "incorrect_number" => self.pick("O número do cartão está incorreto.", "Your card number is incorrect."),
            "parameter_invalid_empty" => self.pick("Informe seu e-mail.", "Enter your e-mail address."),
            "resource_missing" => self.pick("Este cliente não existe mais.", "This customer no longer exists."),
            _ => self.pick("Seu cartão foi recusado.", "Your card was declined."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_dates_are_written_as_people_write_them() {
        assert_eq!(Portuguese.money(4990, "brl"), "R$ 49,90");
        assert_eq!(English.money(4990, "usd"), "$49.90");
        assert_eq!(
            (Portuguese.date(1_795_478_400).as_str(), English.date(1_795_478_400).as_str()),
            ("24/11/2026", "Nov 24, 2026")
        );
    }

    #[test]
    fn the_session_speaks_before_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert("accept-language", "pt-BR,pt;q=0.9".parse().unwrap());
        assert_eq!(Language::choose(Some("auto"), &headers), Portuguese);
        assert_eq!(Language::choose(Some("en"), &headers), English);
        assert_eq!(Language::choose(None, &HeaderMap::new()), English);
    }
}
