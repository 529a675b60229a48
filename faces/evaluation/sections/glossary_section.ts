/** The report's glossary. */
import { type Html, html } from "../html.ts";
import { OVERFITTING } from "../format_result.ts";
import type { Report } from "../report_data.ts";

export function glossarySection({ models }: Report): Html {
  const grouped = models.some(({ metrics }) => metrics.interval?.unit === "person");
  return html`
    <h2 id="words">Glossary</h2>
    <dl class="words">
      <dt>Constant baseline</dt>
      <dd>The score of a constant prediction, independent of the image: the majority class of the
    training set, or its median age. A useful network beats it.</dd>
      <dt>95 % CI</dt>
      <dd>Confidence interval: how far the metric would vary with another test set of the same size.
    Where it contains the constant baseline, the network is not significantly better. ${grouped &&
      "Images are resampled by person, because images of one person are correlated."}</dd>
      <dt>MAE</dt>
      <dd>Mean absolute error of the predicted age, in years.</dd>
      <dt>Bias</dt>
      <dd>Mean signed error: predicted minus true age, in years. Positive values overestimate.</dd>
      <dt>Loss</dt>
      <dd>The objective of training: by default cross-entropy for classes, mean absolute error for ages,
    plus the network's L2 penalty. Tables have these with any other loss, too; curves have the loss
    that was trained, without the penalty where a loss, a teacher or several heads are chosen.</dd>
      <dt>Learning curves</dt>
      <dd>Training values are averaged over the epoch, while the weights change, and with dropout. They
    can therefore be worse than validation values. The table evaluates the final weights on both.</dd>
      <dt>Overfitting</dt>
      <dd>The gap between the training metric and the validation or test metric. The summary names it
    where the error on the test set is at least ${OVERFITTING} times that on the training set and their
    95 % intervals are disjoint.</dd>
      <dt>Cumulative score</dt>
      <dd>Share of the faces whose absolute error is at most a number of years.</dd>
      <dt>Regression to the mean</dt>
      <dd>Predictions vary less than the truth: the young are overestimated, the old underestimated. A
    slope of 1 is none; the constant baseline has slope 0.</dd>
      <dt>Suspect label</dt>
      <dd>The predictions contradict the label. Classes: another is predicted, and one is as probable as
    it is on average for faces labelled so (confident learning). Ages: the prediction is more than 4 robust standard
    deviations from the line of predictions. The label may be right; look at the photo.</dd>
      <dt>face-api</dt>
      <dd>A library for the browser with a pretrained network for age and gender. It gets the same crops
    without their margin, at 112 × 112 pixels, and was not trained on synthetic faces.</dd>
      <dt>Gender and age</dt>
      <dd>The labels of the data sets. A prediction is a statement about an image, not about a person,
    and must not be used for decisions about people.</dd>
    </dl>
  `;
}
