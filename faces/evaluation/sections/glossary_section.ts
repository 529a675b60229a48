/** The report's glossary. */
import { type Html, html } from "../html.ts";
import { OVERFITTING } from "../format_result.ts";
import type { Report } from "../report_data.ts";

export function glossarySection({ models }: Report): Html {
  const grouped = models.some(({ metrics }) => metrics.interval?.unit === "person") &&
    "Images are resampled by person, because images of one person are correlated: people count then.";
  const referred = models.some(({ metrics }) => metrics.others?.length);
  const words = Object.entries({
    "Constant baseline": `The score of a constant prediction, independent of the image: the majority
    class of the training set, or its median. A useful network beats it, or 1 / classes in balanced
    accuracy, the mean recall of the classes. “Better” and “worse” are significant, p < 0.05: both are
    compared on the same faces, by McNemar's test or the bootstrap over faces or people.`,
    "95 % CI": `Confidence interval: how far the metric would vary with another test set of the same
    size. It may contain the constant baseline and the network be significantly better, as the same
    faces are difficult for both. Of an MAE or bias of fewer than 20 faces, it is too narrow,
    as those of a bootstrap are. Means over classes have none if one has fewer than five faces. ${
      grouped || ""
    }`,
    MAE: "Mean absolute error of a predicted number; of ages, in years.",
    Bias: "Mean signed error: predicted minus true value. Positive values overestimate.",
    Loss: `The objective of training: by default cross-entropy for classes, mean absolute error for
    numbers, plus the network's L2 penalty. Tables have these with any other loss, too; curves have
    the loss that was trained: of several heads without the penalty, of numbers other than ages in
    standard deviations of the training set.`,
    "Learning curves": `Training values are averaged over the epoch, while the weights change, and
    with dropout. They can therefore be worse than validation values. The table evaluates the final
    weights on both.`,
    Overfitting: `The gap between the training metric and the validation or test metric. The summary
    names it where the error on the test set is at least ${OVERFITTING} times that on the training
    set and their 95 % intervals are disjoint.`,
    "Cumulative score": "Share of the faces whose absolute error is at most a given number.",
    "Brier score":
      `Mean squared difference between a probability and 1, where it holds, or 0. Top-label:
    of more than two classes, the probability of the predicted one alone. The usual score sums the
    differences of all classes, and is larger.`,
    "Regression to the mean": `Predictions vary less than the truth: small values are overestimated,
    large ones underestimated. A slope of 1 is none; the constant baseline has slope 0.`,
    "Suspect label":
      `The prediction contradicts the label more surely than such predictions are usually
    wrong. Classes: another class is predicted, as probable as on average for faces labelled so
    (confident learning). And of the faces predicted to be of it as surely, the label is at least five
    times rarer than of all. Numbers: the prediction is more than 4 robust standard deviations from
    the line of predictions. A weak network marks none. The label may be right; look at the photo.`,
    ...referred && {
      "face-api": `A library for the browser with a pretrained network for age and gender. It gets
    the same crops without their margin, at 112 × 112 pixels, and was not trained on synthetic faces.`,
    },
    Label:
      `What the data set states. A prediction is a statement about an image, not about a person,
    and must not be used for decisions about people.`,
  });
  return html`<h2 id="words">Glossary</h2>
<dl class="words">${
    words.map(([word, text]) =>
      html`
        <dt>${word}</dt>
        <dd>${text}</dd>
      `
    )
  }</dl>`;
}
